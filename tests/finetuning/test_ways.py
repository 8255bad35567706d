"""Ways of fine-tuning: which parameters of which model stay as they are, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from steepest.data.dataset import InputField, Shape
from steepest.errors import OptionError, UnknownNameError
from steepest.finetuning import finetuned, finetuning_text, read_finetuning, registry
from steepest.models import build_model, count_parameters
from steepest.optim.selection import selected
from tests.texts.test_transformer import made, saved_llama

TEXT = Shape("language", {}, (), 11, (InputField("tokens", "tokens", (6,)),))
TABLE = Shape("classification", {"colour": 4}, ("x", "y"), 2)


def transformer(more: str = "") -> nn.Module:
    return build_model(f"transformer(width=8, layers=3, heads=2{more})", TEXT)


class Opt(nn.Module):
    """As OPT is: its last norm is registered in front of the blocks, and its head shares the table of pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 4)
        self.final_layer_norm = nn.LayerNorm(4)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2))
        self.lm_head = nn.Linear(4, 11, bias=False)
        self.lm_head.weight = self.tokens.weight


CASES: list[tuple[str, nn.Module, set[str]]] = [
    ("full", transformer(), {"embedding", "blocks.0", "blocks.1", "blocks.2", "norm"}),
    ("last(1)", transformer(), {"blocks.2", "norm"}),
    ("last(2)", transformer(", tied=false"), {"blocks.1", "blocks.2", "norm", "head"}),
    ("last(3)", transformer(), {"blocks.0", "blocks.1", "blocks.2", "norm"}),
    ("last(1)", Opt(), {"final_layer_norm", "layers.1"}),
    ("last", nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), {"2"}),
    ("last(1)", build_model("embedding-mlp(hidden=(4, 3))", TABLE), {"blocks.1", "head"}),
    ("head", transformer(), {"embedding"}),
    ("head", transformer(", tied=false"), {"head"}),
    ("head", Opt(), {"tokens"}),
    ("embeddings-off", transformer(), {"blocks.0", "blocks.1", "blocks.2", "norm"}),
    ("embeddings-off", transformer(", tied=false"), {"blocks.0", "blocks.1", "blocks.2", "norm", "head"}),
]
"""A way, a model, and the modules whose parameters are trained."""


@pytest.mark.parametrize(("text", "model", "trained"), CASES)
def test_what_is_trained(text: str, model: nn.Module, trained: set[str]) -> None:
    fixed = read_finetuning(text).fixed(model)
    beginnings = tuple(f"{name}." for name in trained)
    for name, _ in model.named_parameters():
        assert (name in fixed) != name.startswith(beginnings), name
    for each in trained:
        assert any(name.startswith(f"{each}.") for name, _ in model.named_parameters())


def test_every_way_has_a_case() -> None:
    """Those that change the model have theirs in ``test_adapters``."""
    plain = {name for name in registry.names() if not registry.entry(name).load().structural}
    assert {each.partition("(")[0] for each, _, _ in CASES} == plain


def test_the_head_of_a_tied_model_is_its_table() -> None:
    """Also for --freeze and --rates: the last linear layer of the modules is a hidden one."""
    assert selected(transformer(), "head") == ["embedding.weight"]
    assert selected(Opt(), "head") == ["tokens.weight"]
    assert selected(transformer(", tied=false"), "head") == ["head.weight"]


def test_only_the_parameters_of_a_way_get_gradients() -> None:
    net = finetuned(transformer(), "last(1)")
    net(torch.zeros(1, 6, dtype=torch.long)).sum().backward()
    assert {name for name, each in net.named_parameters() if each.grad is not None} == {
        name for name, each in net.named_parameters() if name.startswith(("blocks.2.", "norm."))
    }


@pytest.mark.parametrize(
    ("given", "text"), [("full", ""), ("last", "last(1)"), ("last( blocks=2 )", "last(2)"), ("", "")]
)
def test_a_way_is_written_in_one_way(given: str, text: str) -> None:
    assert finetuning_text(given) == text


REFUSED: list[tuple[str, Any, str]] = [
    ("last(4)", transformer, r"more blocks than the model has: 3, blocks\.0 to blocks\.2"),
    ("last(2)", lambda: nn.Linear(2, 1), "has none; its modules are the model itself"),
    ("embeddings-off", lambda: nn.Sequential(nn.Linear(2, 1)), "has none; its modules are 0"),
    ("head", lambda: nn.Sequential(nn.Conv1d(2, 1, 1)), "no linear layer; its modules are 0"),
    ("embeddings-off", lambda: nn.Sequential(nn.Embedding(2, 1)), "leaves nothing to train"),
    ("last(0)", transformer, "blocks is 0"),
]


@pytest.mark.parametrize(("text", "model", "said"), REFUSED)
def test_what_does_not_fit_a_model_is_refused_with_its_modules(text: str, model: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        finetuned(model(), text)


def test_an_unknown_way_is_refused_by_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="'lats'"):
        finetuning_text("lats")


def test_the_parts_of_a_model_of_hugging_face_are_those_of_our_own(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    folder = saved_llama(tmp_path / "llama", made().float(), architectures=["LlamaForCausalLM"])
    models = [f"transformer(start='{folder.as_posix()}')", f"hf:{folder.as_posix()}"]
    for text in ("full", "last(1)", "head", "embeddings-off"):
        own, other = (count_parameters(build_model(each, TEXT, finetune=text)) for each in models)
        assert own == other, text
    with pytest.raises(OptionError, match=r"2, net\.model\.layers\.0 to net\.model\.layers\.1"):
        build_model(models[1], TEXT, finetune="last(3)")
