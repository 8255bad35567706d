"""Where folders are, who else is in them, and what a small disk does."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from steepest.errors import FolderError
from steepest.record import lock
from steepest.record.store import Folder
from tests.robust.conftest import Nursery, Whole
from tests.robust.test_kill import check_full, check_same, go_on


def begin(nursery: Nursery, *arguments: object, **how: object) -> None:
    """Begin a comparison that dies in the middle of its fourth line of the journal."""
    found = nursery.run("compare", *arguments, **{"name": "journal.jsonl", "nth": 4, **how})
    assert found["status"] == -9, found["said"]


def test_two_processes_in_one_folder(nursery: Nursery, whole: Whole) -> None:
    """The second is refused with the first one's number; when the first has died, nothing is in the way."""
    code = (
        "import sys, time; from pathlib import Path; from steepest.record.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('in', flush=True); time.sleep(600)"
    )
    out = nursery.where / "shared"
    begin(nursery, "small.toml", "--out", "shared")
    before = {each: each.read_bytes() for each in out.rglob("*") if each.is_file()}
    with subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for found in (go_on(nursery, out), nursery.run("compare", "small.toml", "--out", "shared")):
            assert found["status"] == 2
            assert f"process {other.pid} is working in" in found["said"]
            assert "Hint: wait until it ends" in found["said"]
        held = {
            each: each.read_bytes() for each in out.rglob("*") if each.name != lock.NAME and each.is_file()
        }
        assert held == {each: data for each, data in before.items() if each.name != lock.NAME}
        other.kill()
    assert go_on(nursery, out)["status"] == 0
    check_same(out, whole.path)


def test_a_lock_ends_with_its_holder_and_leaves_no_file(tmp_path: Path) -> None:
    with lock.locked(tmp_path):
        assert (tmp_path / lock.NAME).read_text() == str(os.getpid())
        with pytest.raises(FolderError, match=f"process {os.getpid()} is working"), lock.locked(tmp_path):
            pass
    assert not list(tmp_path.iterdir())
    (tmp_path / lock.NAME).write_text("999999")  # what a killed process leaves
    with lock.locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_resumed_from_another_folder_and_after_a_move(nursery: Nursery, whole: Whole) -> None:
    """The data is found wherever the command runs and wherever the folder has gone; a link is as good."""
    begin(nursery, "small.toml", "--out", "before")
    elsewhere = nursery.where / "else where ü"
    elsewhere.mkdir()
    shutil.move(nursery.where / "before", elsewhere / "after it")
    (nursery.where / "link").symlink_to(elsewhere / "after it", target_is_directory=True)
    found = nursery.run("resume", "../link", cwd=str(elsewhere))
    assert found["status"] == 0, found["said"]
    assert "steepest predict" in found["said"]
    check_same(elsewhere / "after it", whole.path)


def test_relative_paths_of_every_kind_go_on_elsewhere(nursery: Nursery, tmp_path: Path) -> None:
    """Data, validation and test files and the preparation are kept from the root on."""
    where = tmp_path / "a b"
    where.mkdir()
    lines = (nursery.where / "churn.csv").read_text().splitlines(keepends=True)
    for name, rows in (("train.csv", lines[1:200]), ("valid.csv", lines[200:250]), ("test.csv", lines[250:])):
        (where / name).write_text("".join([lines[0], *rows]))
    (where / "p.toml").write_text("[[step]]\nuse = 'fill-mode'\ncolumns = ['minutes']\n")
    parts = ["--validation", "valid.csv", "--test", "test.csv", "--prepare", "p.toml"]
    begin(nursery, "train.csv", "--target", "churned", *parts, "-o", "adam(lr=0.01)", "--seeds", "1", "--epochs", "1",
          "--hidden", "4", "--out", "out", cwd=str(where))  # fmt: skip
    found = nursery.run("resume", where / "out")
    assert found["status"] == 0, found["said"]


def test_data_that_is_gone_is_named_with_the_cure(nursery: Nursery, tmp_path: Path) -> None:
    shutil.copy(nursery.where / "churn.csv", tmp_path / "old.csv")
    begin(nursery, "old.csv", "--target", "churned", "-o", "adam(lr=0.01)", "--seeds", "1", "--epochs", "1",
          "--hidden", "4", "--out", "out", cwd=str(tmp_path))  # fmt: skip
    (tmp_path / "old.csv").rename(tmp_path / "new.csv")
    found = nursery.run("resume", tmp_path / "out")
    assert found["status"] == 2
    assert "is no longer at" in found["said"]
    assert "source = " in found["said"]
    stored = tmp_path / "out" / "experiment.toml"
    stored.write_text(stored.read_text().replace("old.csv", "new.csv"))
    found = nursery.run("resume", tmp_path / "out")
    assert found["status"] == 0, found["said"]


def test_killed_before_anything_was_kept(nursery: Nursery, whole: Whole) -> None:
    """The folder is there but no experiment is: the same command again takes it."""
    out = nursery.where / "hardly"
    found = go_on(nursery, out, name="experiment.toml")
    assert found["status"] == -9
    assert Folder(out).untouched
    found = nursery.run("resume", "hardly")
    assert found["status"] == 2
    assert "holds no experiment" in found["said"]
    assert go_on(nursery, out)["status"] == 0
    check_same(out, whole.path)


@contextlib.contextmanager
def small_disk(where: Path, kilobytes: int) -> Generator[None]:
    """Mount a disk of that size, or skip with the reason."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small disk can only be mounted by root")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", where], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", where], check=True)


def test_a_disk_that_fills(nursery: Nursery, whole: Whole) -> None:
    """A disk that is too small by much, then by little; once there is space, resume gives the same results."""
    disk = nursery.where / "disk"
    disk.mkdir()
    with small_disk(disk, 100):
        for kilobytes in (100, 300, 500):
            subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True)
            out = disk / "runs"
            begun = (out / "experiment.toml").exists()
            again = ["resume", "disk/runs"] if begun else ["compare", "small.toml", "--out", "disk/runs"]
            check_full(nursery.run(*again), out)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        found = nursery.run("resume", "disk/runs")
        assert found["status"] == 0, found["said"]
        check_same(disk / "runs", whole.path)


def test_a_folder_that_may_not_be_written(nursery: Nursery, whole: Whole) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    out = nursery.where / "locked"
    shutil.copytree(whole.path, out)
    (out / "results.json").unlink()
    out.chmod(0o555)
    try:
        found = nursery.run("resume", "locked")
        assert found["status"] == 2
        assert "permission denied" in found["said"]
    finally:
        out.chmod(0o755)


def test_the_command_itself_killed_from_outside(nursery: Nursery, whole: Whole) -> None:
    """Not forked, but started as a person would, libraries and all; killed when its first run is in the journal."""
    out = nursery.where / "outside"
    process = subprocess.Popen(
        [sys.executable, "-m", "steepest", "compare", "small.toml", "--out", "outside"],
        cwd=nursery.where, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
    )  # fmt: skip
    journal = out / "journal.jsonl"
    while process.poll() is None and not (journal.exists() and b'"event":"run"' in journal.read_bytes()):
        time.sleep(0.002)
    os.killpg(process.pid, 9)
    assert process.wait() == -9
    done = len(Folder(out).records())
    assert done > 0
    assert go_on(nursery, out)["status"] == 0
    check_same(out, whole.path)
