"""Addresses, as of buckets, are refused where files are: nothing is written into a folder that is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

import steepest as st
from steepest.errors import SteepestError
from steepest.files import local, reachable, write_atomically, write_with_folder
from steepest.sweep.trackers.tensorboard import TensorBoard


@pytest.mark.parametrize("write", [write_atomically, write_with_folder, lambda path, _: reachable(path)])
@pytest.mark.parametrize(
    "address", ["s3://bucket/a.txt", "gs://bucket/a.txt", "abfss://c@host/a", "file:///tmp/a"]
)
@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_no_place_for_a_file(tmp_path, monkeypatch, write, address, kind) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SteepestError, match=f"{address.partition(':')[0]}://.* is an address") as caught:
        write(kind(address), "x")
    assert "mounted" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["a", "a:b", "C:/a", "/s3:/a", "runs/s3:/a"])
def test_other_names_are_paths(path) -> None:
    assert local(path) == Path(path)


def test_trackers_and_inputs_refuse_addresses(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("steepest.sweep.trackers.tensorboard.imported", lambda *_: None)
    with pytest.raises(SteepestError, match="'s3://bucket/logs' is an address"):
        TensorBoard("s3://bucket/logs")
    for read in (st.read_table, st.describe, st.TrainedModel.load):
        with pytest.raises(SteepestError, match="'s3://bucket/it' is an address"):
            read("s3://bucket/it", **({"target": "y"} if read is st.read_table else {}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "t.csv", "--target", "y", "--out", "s3://bucket/run"],
        ["compare", "s3://bucket/t.csv", "--target", "y"],
        ["compare", "s3://bucket/e.toml"],
        ["compare", "t.csv", "--target", "y", "--prepare", "s3://bucket/p.toml"],
        ["lr-find", "t.csv", "--target", "y", "--out", "s3://bucket/f.svg"],
        ["predict", "run", "t.csv", "--out", "s3://bucket/p.csv"],
        ["report", "s3://bucket/run"],
        ["page", "momentum", "--out", "gs://bucket/p.html"],
    ],
)
def test_commands_refuse_addresses(steepest, churn_csv, tmp_path, monkeypatch, command) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes(Path(churn_csv).read_bytes())
    said = steepest(*[each if each != "y" else "churned" for each in command])
    assert said.status != 0
    assert "is an address" in said.err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["t.csv"]
