"""Adapters: what they add and where, that they begin as the base, and what is refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from steepest.components.quiet import quiet
from steepest.data.dataset import InputField, Shape, TargetScale
from steepest.data.texts.checkpoints import llama_name
from steepest.errors import MissingExtraError, ModelError, OptionError
from steepest.export.adapter import as_adapter
from steepest.finetuning import finetuned, hold_rest, read_finetuning, registry, structural_text
from steepest.finetuning.adapters import adapted_layers, check_called
from steepest.models import build_model, count_parameters
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.train.drawn import first_model
from tests.finetuning.test_ways import TABLE, TEXT, transformer
from tests.texts.test_transformer import made, saved_llama

peft = pytest.importorskip("peft", reason="pip install '.[language]'")

WAYS = ["lora(4)", "dora(4)", "qlora(4)"]
"""A row for each way that changes the model."""
BLOCK = ["query", "key", "value", "out", "gate", "up", "down"]
IMAGE = Shape("classification", {}, (), 3, (InputField("image", "image", (1, 6, 6)),))
VALUES = torch.tensor([[0.3, -1.0], [2.0, 0.1], [-0.4, 0.7]])
CODES = torch.tensor([[0], [3], [1]])


def tokens() -> Tensor:
    return torch.arange(12).reshape(2, 6) % 11


def moved(net: nn.Module) -> nn.Module:
    """Return a network in eval mode whose trained parameters have moved, as by training."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in net.parameters():
            if each.requires_grad:
                each += 0.1 * torch.randn(each.shape, generator=draw)
    return net.eval()


def hugging_face(folder: Path) -> str:
    saved_llama(folder, made().float(), architectures=["LlamaForCausalLM"])
    return f"hf:{folder.as_posix()}"


def test_every_way_that_changes_the_model_has_a_row() -> None:
    structural = {name for name in registry.names() if registry.entry(name).load().structural}
    assert {each.partition("(")[0] for each in WAYS} == structural


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["own", "hf"])
def test_the_first_outputs_are_those_of_the_base(way: str, kind: str, tmp_path: Path) -> None:
    model = "transformer(width=16, layers=2, heads=2)" if kind == "own" else hugging_face(tmp_path / "llama")
    base, net = build_model(model, TEXT).eval(), build_model(model, TEXT, finetune=way).eval()
    if way.startswith("q"):  # the quantised base
        assert not torch.allclose(net(tokens()), base(tokens()), atol=1e-3)
        base = read_finetuning(way).merged(net)
    assert len([*adapted_layers(net)]) == 14
    torch.testing.assert_close(net(tokens()), base(tokens()), rtol=1e-6, atol=1e-6)
    assert not torch.allclose(moved(net)(tokens()), base(tokens()), atol=1e-2)


@pytest.mark.parametrize("way", WAYS)
def test_only_adapters_are_trained_and_counted(way: str) -> None:
    net = build_model("transformer(width=8, layers=2, heads=2, hidden=12)", TEXT, finetune=way)
    thin = 2 * (
        4 * 4 * (8 + 8) + 3 * 4 * (8 + 12)
    )  # r (d + k): four square layers and three of 8 and 12 a block
    lengths = 2 * (4 * 8 + 2 * 12 + 8) if way.startswith("dora") else 0
    assert count_parameters(net) == thin + lengths
    net(tokens()).square().sum().backward()
    assert {each.grad is not None for each in net.parameters() if each.requires_grad} == {True}
    assert {each.grad is None for each in net.parameters() if not each.requires_grad} == {True}


def test_what_an_adapter_draws_is_a_function_of_the_seed() -> None:
    def drawn(seed: int, draw: str = "") -> dict[str, Tensor]:
        before = torch.get_rng_state()
        net = first_model("mlp(hidden=(5, 4))", TABLE, seed, draw, "lora(2)")
        assert torch.equal(before, torch.get_rng_state())
        return {name: each for name, each in net.state_dict().items() if "lora_" in name}

    one, same, other, again = drawn(0), drawn(0), drawn(1), drawn(0, "another")
    assert all(torch.equal(one[name], same[name]) for name in one)
    for each in (other, again):
        assert not any(torch.equal(one[name], each[name]) for name in one if "lora_A" in name)
    glorot = drawn(0, "glorot")  # of the base alone
    assert all(torch.equal(one[name], glorot[name]) for name in one)
    plain = build_model("mlp(hidden=(5, 4))", TABLE, seed=0).state_dict()
    adapted = build_model("mlp(hidden=(5, 4))", TABLE, seed=0, finetune="lora(2)").state_dict()
    assert all(
        torch.equal(each, adapted.get(name, adapted.get(_inner(name)))) for name, each in plain.items()
    )


def _inner(name: str) -> str:
    module, _, last = name.rpartition(".")
    return f"{module}.base_layer.{last}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("model", "shape", "inputs"),
    [
        ("mlp(hidden=(6, 4))", TABLE, (CODES, VALUES)),
        ("embedding-mlp(hidden=(6, 4))", TABLE, (CODES, VALUES)),
        ("transformer(width=8, layers=2, heads=2)", TEXT, (tokens(),)),
        ("cnn(channels=(2,), hidden=4)", IMAGE, (torch.linspace(-1, 1, 72).reshape(2, 1, 6, 6),)),
    ],
)
def test_merged_it_is_the_plain_network_with_the_same_outputs(
    way: str, model: str, shape: Shape, inputs: tuple[Tensor, ...]
) -> None:
    net = moved(build_model(model, shape, finetune=way))
    before = {name: each.clone() for name, each in net.state_dict().items()}
    plain = read_finetuning(way).merged(net)
    assert {name: each.shape for name, each in plain.state_dict().items()} == {
        name: each.shape for name, each in build_model(model, shape).state_dict().items()
    }
    wanted, found = net(*inputs), plain(*inputs)
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())
    assert {each.dtype for each in plain.parameters()} == {torch.float32}


NAMED = [
    ("all-linear", transformer(), [f"blocks.{i}.{each}" for i in range(3) for each in BLOCK]),
    ("value, query", transformer(), [f"blocks.{i}.{each}" for i in range(3) for each in ("query", "value")]),
    ("blocks.1.up", transformer(), ["blocks.1.up"]),
    ("head", transformer(", tied=false"), ["head"]),
    ("0, 2", nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), ["0", "2"]),
]


@pytest.mark.parametrize(("targets", "model", "adapted"), NAMED)
def test_targets_are_endings_of_names(targets: str, model: nn.Module, adapted: list[str]) -> None:
    net = finetuned(model, f"lora(2, targets='{targets}')")
    assert [name for name, _ in adapted_layers(net)] == adapted


def attending() -> nn.Module:
    return nn.ModuleDict(
        {"attention": nn.MultiheadAttention(4, 2), "hidden": nn.Linear(4, 4), "out": nn.Linear(4, 1)}
    )


def test_a_layer_that_is_used_by_its_weights_alone_gets_no_adapter() -> None:
    assert [name for name, _ in adapted_layers(finetuned(attending(), "lora(2)"))] == ["hidden"]


def tied() -> nn.Module:
    net = nn.Sequential(nn.Embedding(11, 4), nn.Linear(4, 4), nn.Linear(4, 11, bias=False))
    net[2].weight = net[0].weight
    return net


REFUSED = [
    (
        "lora(targets='q_proj')",
        transformer,
        r"'q_proj'; its linear layers are query, key, value, out, gate, up",
    ),
    (
        "lora(targets='query, q_proj')",
        transformer,
        r"ends in 'q_proj', though 'query' does; its linear layers",
    ),
    (
        "dora(targets=[query, v_proj, k_proj])",
        transformer,
        r"ends in 'k_proj', 'v_proj', though 'query' does",
    ),
    ("lora(targets='uery')", transformer, r"no module's name ends in 'uery'"),
    ("lora(targets='embedding')", transformer, r"cannot adapt the module 'embedding', a Embedding"),
    ("lora(targets='norm')", transformer, r"cannot adapt the module 'blocks\.0\.norm', a RMSNorm"),
    ("lora(targets='out_proj')", attending, r"which attention calls by its weights alone"),
    ("lora(targets='2')", tied, r"cannot adapt '2': it shares its weights with '0'"),
    ("lora", lambda: nn.Sequential(nn.Conv1d(2, 1, 1)), "has no linear layers; its modules are 0"),
    (
        "lora",
        lambda: nn.Sequential(nn.Linear(2, 1)),
        "no linear layer but the output layer 0; its modules are 0",
    ),
    ("lora", lambda: nn.Linear(2, 1), "has no linear layers; its modules are the model itself"),
    ("lora(0)", transformer, r"lora\(0\): r is 0"),
    ("lora(2.5)", transformer, r"r is 2\.5"),
    ("lora(alpha=0)", transformer, r"alpha is 0"),
    ("dora(alpha=-1)", transformer, r"alpha is -1"),
    ("lora(dropout=1)", transformer, r"dropout is 1"),
    ("lora(targets='')", transformer, r"targets is ''"),
    ("lora(targets='all-linear, query')", transformer, "targets is 'all-linear, query'"),
]


@pytest.mark.parametrize(("text", "model", "said"), REFUSED)
def test_what_does_not_fit_is_refused_with_the_layers_that_there_are(text, model, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OptionError, match=said) as error:
        finetuned(model(), text)
    assert error.value.hint


class ByWeights(nn.Module):
    """Multiplies by the weights of a layer that it never calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.hidden, self.head = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, rows: Tensor) -> Tensor:
        return self.head(torch.relu(nn.functional.linear(self.first(rows), self.hidden.weight)))


def test_an_adapter_that_would_do_nothing_is_refused() -> None:
    net = finetuned(ByWeights(), "lora(2)")
    with pytest.raises(OptionError, match="does not call hidden, but uses their weights"):
        check_called(net, lambda: net(VALUES), "lora(2)")
    again = finetuned(ByWeights(), "lora(2, targets='first')")
    check_called(again, lambda: again(VALUES), "lora(2, targets='first')")


class Experts(nn.Module):
    """Experts of a mixture, whose matrices are one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.ones(3, 4, 4))


class Mixture(nn.Module):
    """A linear layer between experts and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.experts, self.head = nn.Linear(4, 4), Experts(), nn.Linear(4, 1)


SAID = [
    ("lora(2)", Mixture, "held; no adapter for experts, 54 % of the parameters: no linear layers"),
    ("lora(2, targets='hidden')", Mixture, "held"),
    ("lora(8)", lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1)), "rank 8 is above the smaller side of 0"),
    ("lora(4)", lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1)), "held"),
    ("qlora(2)", Mixture, "neither 4 bits nor an adapter for experts"),
    ("qlora(2)", lambda: nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 4), nn.Linear(4, 1)),
     "in 32 bits; 0 have an odd number of inputs"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "model", "said"), SAID)
def test_what_of_a_model_gets_no_adapter_and_a_rank_above_a_layer_are_said(text, model, said) -> None:  # type: ignore[no-untyped-def]
    found = read_finetuning(text).said_of(finetuned(model(), text))
    assert said in found
    assert found.endswith("held") is (said == "held")


def test_layers_of_gpt_2_are_adapted_and_have_a_reason_to_keep_32_bits() -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 11, "n_positions": 8}

    def model() -> nn.Module:
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes))

    assert len([*adapted_layers(finetuned(model(), "lora(2)"))]) == 4
    with pytest.raises(OptionError, match="can be put in 4 bits: c_attn, c_proj, c_fc are Conv1D"):
        finetuned(model(), "qlora(2)")


def test_an_adapted_model_is_not_adapted_again() -> None:
    net = finetuned(transformer(), "lora(2)")
    with pytest.raises(OptionError, match="has adapters already"):
        finetuned(net, "dora(2)")
    assert (
        len([*adapted_layers(hold_rest(net, "lora(2)"))]) == 21
    )  # which holds what is not trained, and no more


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match="needs the library peft") as error:
        finetuned(transformer(), "lora")
    assert "pip install '.[language]'" in error.value.hint


@pytest.mark.parametrize(
    ("given", "text", "scale"),
    [
        ("lora", "lora(8, 16)", 2.0),
        ("lora(r=4)", "lora(4, 8)", 2.0),
        ("dora(4, alpha=4.0)", "dora(4, 4)", 1.0),
        ("lora(8, 12.5)", "lora(8, 12.5)", 1.5625),
        ("lora(targets=[v, q])", "lora(8, 16, targets='q, v')", 2.0),
        ("lora(targets='all-linear', dropout=0)", "lora(8, 16)", 2.0),
    ],
)
def test_a_way_is_written_whole_and_says_its_scale(given: str, text: str, scale: float) -> None:
    assert structural_text(given) == text == structural_text(text)
    assert read_finetuning(given).said == f"scale α/r = {scale:g}, held"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["own", "hf"])
def test_an_exported_adapter_gives_peft_the_same_logits(
    way: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Hugging Face's Llama, also where our own transformer started from its folder; by its page's own lines."""
    transformers = pytest.importorskip("transformers")
    hugging_face(tmp_path / "llama")
    folder = (tmp_path / "llama").as_posix()
    model = f"hf:{folder}" if kind == "hf" else f"transformer(start='{folder}')"
    net = moved(build_model(model, TEXT, finetune=way))
    out = tmp_path / "export/adapter"
    files = as_adapter(trained(net, model, way), tmp_path, None, out)
    out.mkdir(parents=True)
    for name, content in files.items():
        (out / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "AutoModelForCausalLM" in (out / "README.md").read_text("utf-8")
    assert tmp_path.as_posix() not in (out / "README.md").read_text("utf-8")
    assert '"base_model_name_or_path": "../../llama"' in (out / "adapter_config.json").read_text("utf-8")
    if not way.startswith("q"):
        opened = by_its_page(out, monkeypatch)["model"].eval()
        wanted = net(tokens())
        assert (opened(input_ids=tokens()).logits - wanted).abs().max() <= 1e-5 * wanted.abs().max()
    assert '"q_proj"' in (out / "adapter_config.json").read_text("utf-8")
    with quiet("peft"):
        base = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
        if way.startswith("q"):  # the library's own layers in 4 bits are wrong for rows as short as these
            assert "BitsAndBytesConfig(load_in_4bit=True" in (out / "README.md").read_text("utf-8")
            for name, each in read_finetuning(way).base(net).named_modules():
                if isinstance(each, nn.Linear) and not name.endswith("head"):
                    there = name.removeprefix("net.") if kind == "hf" else llama_name(name)
                    base.get_submodule(there).load_state_dict(each.state_dict())
        opened = peft.PeftModel.from_pretrained(base, str(out)).eval()
    wanted = net(tokens())
    assert (opened(input_ids=tokens()).logits - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@pytest.mark.parametrize("way", WAYS)
def test_an_adapter_of_another_model_is_opened_on_the_network_without_it(way: str, tmp_path: Path) -> None:
    net = moved(build_model("mlp(hidden=(6, 4))", TABLE, finetune=way))
    model = trained(net, "mlp(hidden=(6, 4))", way)
    for name, content in as_adapter(model, tmp_path, None, tmp_path).items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert ".base" in (tmp_path / "README.md").read_text("utf-8")
    opened = peft.PeftModel.from_pretrained(model.base, str(tmp_path)).eval()
    torch.testing.assert_close(opened(CODES, VALUES), net(CODES, VALUES), rtol=0, atol=1e-6)


def test_a_network_without_an_adapter_has_none_to_export(tmp_path: Path) -> None:
    model = trained(build_model("mlp(hidden=(5, 4))", TABLE), "mlp(hidden=(5, 4))", "full")
    for use in (lambda: as_adapter(model, tmp_path, None, tmp_path), lambda: model.base):
        with pytest.raises(ModelError, match="has no adapter: its own weights were trained"):
            use()
    assert model.plain is model.net


def by_its_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the Python of an adapter's README in its folder; return what it defines."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.DOTALL)
    found: dict[str, Any] = {}
    with monkeypatch.context() as here, quiet("peft"):
        here.chdir(folder)
        exec(code, found)
    return found


def trained(net: nn.Module, model: str, way: str) -> TrainedModel:
    factors = {"model": model, "finetune": way}
    about = About(model, TABLE, (), "y", TargetScale(), {"arm": "a", "optimizer": "sgd", "factors": factors})
    return TrainedModel(net, about, cast("Any", None))
