"""Which tables an experiment executes by rows: decided once, said, stored, and obeyed."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from steepest.api import plan
from steepest.data.table import read_table
from steepest.errors import FolderError, OptionError
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.recipe import Execution, ExecutionOptions
from steepest.sweep import rows as chosen
from steepest.sweep.observer import Observer


class Heard(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def table(churn):
    return read_table(churn, target="churned")


def made(table, optimizers=("adam(lr=0.01)", "sgd(lr=0.1)"), **execution):
    found = plan(table, optimizers=list(optimizers), seeds=1, epochs=1, hidden=(4,), batch_size=32)
    given = ExecutionOptions.model_validate({"device": "cpu", "threads": 1, **execution})
    return replace(found, experiment=found.experiment.model_copy(update={"execution": given}))


def stored_plan(folder: Path) -> dict:
    [cell] = tomllib.loads((folder / "experiment.toml").read_text())["plan"]["cells"].values()
    return cell


def test_rows_on_is_said_stored_and_obeyed(table, tmp_path) -> None:
    heard = Heard()
    made(table, rows="on").run(tmp_path / "on", observer=heard)
    lines = [line for line in heard.lines if line.startswith("rows ")]
    assert len(lines) == 1
    assert "closed form: adam" in lines[0]
    assert "nothing to do: sgd" in lines[0]
    stored = stored_plan(tmp_path / "on")
    assert stored["executor"] == "rows"
    assert stored["tables"][0] == "embeddings.0.weight"
    made(table, rows="off").run(tmp_path / "off", observer=Heard())
    files = [(tmp_path / each / "results.csv").read_text().splitlines() for each in ("on", "off")]
    assert len(files[0]) == len(files[1]) > 1
    with pytest.raises(FolderError, match="embedding_rows on, not off"):
        made(table, rows="off").run(tmp_path / "on", observer=Heard())


def test_small_tables_are_dense_unasked(table, tmp_path) -> None:
    made(table, ["sgd(lr=0.1)"]).run(tmp_path / "auto", observer=Heard())
    stored = stored_plan(tmp_path / "auto")
    assert (stored["executor"], stored["tables"], stored["rows"]) == ("dense", [], "auto")


def test_the_tables_of_one_column_are_executed_alike(table, monkeypatch) -> None:
    class Net(nn.Module):
        def __init__(self, shape) -> None:
            super().__init__()
            column, codes = next(iter(shape.cardinalities.items()))
            self.vectors, self.biases = nn.Embedding(codes, 64), nn.Embedding(codes, shape.outputs)
            self.head = nn.Linear(64, shape.outputs)
            self.tables = {column: ("vectors.weight", "biases.weight")}

        def forward(self, categorical, continuous):
            return self.head(self.vectors(categorical[:, 0])) + self.biases(categorical[:, 0])

    data = table.dataset()
    net = Net(data.shape)
    monkeypatch.setattr(chosen, "ROWS_A_BATCH", 0)
    monkeypatch.setattr(chosen, "LARGE_TABLE", net.vectors.weight.numel())
    assert chosen.choose_tables(net, data, 1, "auto", "cpu") == ("vectors.weight", "biases.weight")
    net.biases.max_norm = 1.0
    assert chosen.choose_tables(net, data, 1, "auto", "cpu") == ()


@pytest.mark.parametrize(
    ("optimizers", "execution", "fact"),
    [
        (["muon"], {"rows": "on"}, "muon couples"),
        (["adam"], {"rows": "on", "device": "meta"}, "CPU only|no device"),
    ],
)
def test_what_rows_cannot_do_is_refused_before_anything_is_written(
    table, tmp_path, optimizers, execution, fact
) -> None:
    with pytest.raises(OptionError, match=fact):
        made(table, optimizers, **execution).run(tmp_path / "refused", observer=Heard())
    assert not (tmp_path / "refused" / "experiment.toml").exists()


class Peeking(torch.nn.Module):
    """A model that looks at a code itself."""

    def __init__(self, shape) -> None:
        super().__init__()
        self.inside = build_model("embedding-mlp(hidden=(4,))", shape)
        self.tables = {column: f"inside.{name}" for column, name in self.inside.tables.items()}

    def forward(self, categorical, continuous):
        return self.inside(categorical, continuous) + categorical[:, :1]


def test_codes_that_are_used_otherwise_are_found_out(table, monkeypatch) -> None:
    data = table.dataset()
    monkeypatch.setattr(chosen, "LARGE_TABLE", 1)
    monkeypatch.setattr(chosen, "ROWS_A_BATCH", 0)
    honest = build_model("embedding-mlp(hidden=(4,))", data.shape)
    assert chosen.choose_tables(honest, data, 32, "auto", "cpu") == tuple(honest.tables.values())
    assert chosen.choose_tables(honest, data, 32, "auto", "cuda") == ()
    assert chosen.choose_tables(torch.nn.Linear(2, 2), data, 32, "auto", "cpu") == ()
    peeking = Peeking(data.shape)
    assert chosen.choose_tables(peeking, data, 32, "auto", "cpu") == ()
    with pytest.raises(OptionError, match="more than looking up"):
        chosen.choose_tables(peeking, data, 32, "on", "cpu")
    with pytest.raises(OptionError, match="declares no tables"):
        chosen.choose_tables(torch.nn.Linear(2, 2), data, 32, "on", "cpu")


def test_replay_is_never_chosen_unasked() -> None:
    tables = ("embeddings.0.weight",)
    for rows, expected in (("auto", ()), ("on", tables)):
        execution = Execution.model_validate({"executor": "rows", "rows": rows, "tables": tables})
        assert chosen.by_rows(execution, make_rule("nadam")) == expected
        assert chosen.by_rows(execution, make_rule("adam")) == tables
