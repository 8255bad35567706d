"""Every study names a command for one's own data, and that command is one that compare accepts."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steepest.cli import main, output
from steepest.data.texts.bpe import learned
from steepest.models import build_model
from steepest.studies import registry
from tests.texts.test_transformer import saved_llama, shape


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the commands name."""
    made = tmp_path_factory.mktemp("yours")
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 2))
    table = {"a": x[:, 0], "b": x[:, 1], "y": np.where(x.sum(1) > 0, "yes", "no")}
    pl.DataFrame(table).write_csv(made / "data.csv")
    pl.DataFrame({"x": x[:, 0], "y": x[:, 1]}).write_csv(made / "points.csv")
    users, items = (draw.integers(20, size=400) for _ in range(2))
    ratings = {"userId": users, "movieId": items, "rating": draw.integers(1, 6, size=400)}
    pl.DataFrame(ratings).write_csv(made / "ratings.csv")
    text = "the king and a queen of rome and no more war\n" * 300
    (made / "my-texts.txt").write_text(text)
    if importlib.util.find_spec("tokenizers"):
        net = build_model("transformer(width=8, layers=1, heads=2)", shape(270))
        saved_llama(made / "my-model", net, architectures=["LlamaForCausalLM"])
        (made / "my-model/tokenizer.json").write_text(learned([text], 270).stored)
    return made


@pytest.mark.parametrize("name", registry.names())
def test_the_command_for_ones_own_data_plans_a_comparison(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "lora" in registry.entry(name).more["yours"]:
        pytest.importorskip("bitsandbytes", reason="pip install '.[language]'")
    words = shlex.split(registry.entry(name).more["yours"].replace("photos/", "digits"))
    assert words[0] == "compare"
    monkeypatch.chdir(folder)
    plans = []
    monkeypatch.setattr(output, "dry_run", lambda plan, *_, **__: plans.append(plan))
    assert main([*words, *({"--dry-run"} - {*words})]) == 0
    [plan] = plans
    assert len(plan.arms) >= (1 if name == "filters" else 2)
