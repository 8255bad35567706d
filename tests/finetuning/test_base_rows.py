"""Rows of the networks that fine-tuning begins with, as they are and in 4 bits: evaluated once, for all seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from steepest.cli import main
from steepest.evaluate.baselines.base import bases_of
from steepest.experiment.folder import load_comparison
from steepest.models import build_model
from steepest.record.store import Folder
from steepest.report.text import comparison_table
from tests.texts.test_folders_of_models import TEXT
from tests.texts.test_transformer import saved_llama, shape

OPTIONS = (
    "--kind text --tokenizer bytes --block 16 --batch-size 16 -o adam(lr=0.01) --epochs 1 --compile off "
)
OPTIONS += "--device cpu --quiet"


def compared(where: Path, model: str, *more: str) -> int:
    (where / "a.txt").write_text(TEXT)
    command = ["compare", str(where / "a.txt"), "--model", model, *OPTIONS.split()]
    return main([*command, "--out", str(where / "run"), *more])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("peft", reason="pip install '.[language]'")
    pytest.importorskip("bitsandbytes", reason="pip install '.[language]'")
    where = tmp_path_factory.mktemp("bases")
    net = build_model("transformer(width=32, layers=2, heads=2)", shape(257))
    model = f"transformer(start={saved_llama(where / 'model', net).as_posix()})"
    ways = ["--finetune", "full", "--finetune", "lora(2)", "--finetune", "qlora(2)", "--seeds", "2"]
    assert compared(where, model, *ways, "--baseline", "bigram,base") == 0
    return where / "run"


def test_step_0_of_every_arm_is_the_row_of_its_base(run: Path) -> None:
    known = {each.title: each.validation["token_loss"] for each in Folder(run).baselines()}
    assert [*known] == ["bigram", "base", "base in NF4"]
    assert abs(known["base"] - known["base in NF4"]) > 1e-4
    records = {f"{each.key.recipe}-{each.key.seed}": each for each in Folder(run).records()}
    arms = {each.title: [records[key] for key in each.runs] for each in load_comparison(Folder(run)).arms}
    first = {title: [each.curve[0].validation["token_loss"] for each in some] for title, some in arms.items()}
    assert sorted(map(len, first.values())) == [2, 2, 2]
    for title, losses in first.items():
        base = "base in NF4" if "qlora" in title else "base"
        assert losses == pytest.approx([known[base]] * 2, abs=1e-6), title


def test_the_rows_say_the_loss_and_what_the_parameters_take(run: Path) -> None:
    rows = {row.name: row for row in load_comparison(Folder(run)).rows}
    base, narrow = rows["base"], rows["base in NF4"]
    assert {"token_loss", "perplexity"} <= {*base.metrics}
    assert base.settings.startswith("before training; ")
    assert base.parameter_bytes is not None
    assert narrow.parameter_bytes is not None
    assert narrow.parameter_bytes < base.parameter_bytes
    assert "kB instead of " in narrow.settings
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "base in NF4" in page
    with (console := Console(width=110)).capture() as shown:
        console.print(comparison_table(load_comparison(Folder(run)), 110))
    lines = [each for each in shown.get().splitlines() if "base" in each]
    assert [each.split("baseline, ")[1].strip()[-2:] for each in lines if " base" in each[:8]] == ["kB", "kB"]


def test_they_are_there_unless_other_baselines_are_named() -> None:
    """Without a file there is nothing that all seeds begin with."""
    assert bases_of([("hf:smollm2", "")]) == ["base(model='hf:smollm2')"]
    assert bases_of([("transformer(width=8)", "qlora(8, 16)"), (lambda shape: None, "")]) == []


def test_a_base_that_is_drawn_is_refused(tmp_path: Path, capfd) -> None:
    assert compared(tmp_path, "transformer(width=8, layers=1, heads=2)", "--baseline", "base") == 2
    assert "none begins with weights of a file" in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "run").exists()
