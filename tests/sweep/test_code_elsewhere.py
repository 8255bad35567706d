"""The user's own code by relative paths: a stored comparison finds it from any working directory, of every kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from steepest.cli import main, studying
from steepest.record.store import Folder
from steepest.studies import plan_study
from steepest.studies.base.folder import begin_study
from tests.sweep.test_edited_meanwhile import FILES

OWN = FILES | {
    "data.py": """
import numpy as np
from steepest.data.sources.arrays import ArraySource, Arrays

class Memory(ArraySource):
    @classmethod
    def read(cls, source):
        found = np.load(source)
        return Arrays({"x": found["x"]}, found["y"], "y")
""",
    "planner.py": """
from pieces import FACTOR
from steepest.sweep.planners.grid import Ladder

class Half(Ladder):
    name = "half"

    def turns(self, setup, trials):
        return [(0.5 * FACTOR, trials), (1.0, 1)]
""",
    "chain.py": """
from pieces import FACTOR
from steepest.procedures.chains.continued import continued

def half(at=0.5):
    return continued(at * FACTOR)
""",
}
SHORT = [
    "--seeds",
    "1",
    "--epochs",
    "1",
    "--batch-size",
    "64",
    "--compile",
    "off",
    "--baseline",
    "none",
    "--quiet",
]
DATA = ["--source", "data.py:Memory", "--device", "cpu"]
KINDS = ["--model", "net.py:Net", "--loss", "loss.py:Own", "--regularizer", "penalty.py:Own", "--tuning-rates", "3",
         "--schedule", "schedule.py:waiting", "--callbacks", "callback.py:Steady", "--planner", "planner.py:Half",
         "-o", "optimizer.py:Own", "-o", "rule.py:Own"]  # fmt: skip
CHAIN = ["--model", "linear", "--procedure", "chain.py:half", "-o", "sgd(lr=0.1)"]
GIVEN = ["--model", "net.py:Net", "--source", "data.py:Memory", "--loss", "loss.py:Own"]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two comparisons were made with code of every kind."""
    where = tmp_path_factory.mktemp("begun")
    for name, text in OWN.items():
        (where / name).write_text(text)
    x = np.random.default_rng(0).normal(size=(240, 3))
    np.savez(where / "n.npz", x=x, y=x @ [1.0, -2.0, 0.5])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        for out, options in (("kinds", KINDS), ("chain", CHAIN)):
            assert main(["compare", "n.npz", *DATA, *options, *SHORT, "--out", out]) == 0
    return where


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another working directory, in which other files have the same names."""
    for name in OWN.keys() - {"data.py"}:
        (tmp_path / name).write_text("raise RuntimeError('another file')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def without_runs(begun: Path, name: str, to: Path) -> Path:
    """Return a copy of a comparison whose runs are still to be made."""
    folder = shutil.copytree(begun / name, to / name)
    journal = folder / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(each for each in lines if '"event":"run"' not in each))
    return folder


def ends(folder: Path) -> dict[tuple[str, int], object]:
    return {key: each.test for key, each in Folder(folder).history().items()}


@pytest.mark.parametrize("name", ["kinds", "chain"])
def test_a_comparison_is_resumed_from_another_working_directory(
    begun: Path, elsewhere: Path, name: str
) -> None:
    folder = without_runs(begun, name, elsewhere)
    assert not ends(folder)
    assert main(["resume", str(folder), "--quiet"]) == 0
    assert ends(folder) == ends(begun / name)


def test_its_experiment_file_is_run_from_another_working_directory(begun: Path, elsewhere: Path) -> None:
    """And what this makes is resumed from a third one."""
    file = begun / "kinds/experiment.toml"
    for command in (["compare", str(file), "--dry-run"], ["memory", str(file)]):
        assert main(command) == 0
    assert main(["compare", str(file), "--out", "again", "--quiet"]) == 0
    assert ends(elsewhere / "again") == ends(begun / "kinds")
    (elsewhere / "third").mkdir()
    again = without_runs(elsewhere, "again", elsewhere / "third")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere / "third")
        assert main(["resume", str(again), "--quiet"]) == 0
    assert ends(again) == ends(begun / "kinds")


def test_a_network_is_trained_once_more_and_looked_at_from_another_working_directory(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given again by the name that an error says is the code of training."""
    monkeypatch.chdir(tmp_path)
    assert main(["refit", str(begun / "kinds"), "--out", "refit"]) == 0
    assert main(["resume", "refit", "--quiet"]) == 0
    given = [*GIVEN[:2], "--source", str(begun / "data.py:Memory"), *GIVEN[4:]]
    assert main(["landscape", str(begun / "kinds"), "--out", "slice.html", "--points", "5", *given]) == 0


def test_a_study_is_resumed_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from steepest.studies.memorisation import Memorisation\n\nclass Mine(Memorisation):\n    name = 'mine'\n"
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    planned = plan_study("mine.py:Mine", "quick")
    begin_study(tmp_path / "study", "mine.py:Mine", "quick", planned.data)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found: list[str] = []
    monkeypatch.setattr(
        studying, "_made", lambda plan, out, **_: found.append(f"{plan.reference} {out.name}")
    )
    assert main(["resume", "../study"]) == 0
    assert found == ["mine.py:Mine study"]


def test_where_a_file_was_looked_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 7}\n" for i in range(60)))
    assert main(["compare", "a.csv", "--target", "y", "-o", "mine.py:Own"]) == 2
    said = capsys.readouterr().err
    assert "there is no file 'mine.py'" in said
    assert f"Hint: it was looked for in {tmp_path.as_posix()}" in " ".join(said.split())
