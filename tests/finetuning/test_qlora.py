"""A base in 4 bits with adapters: what it computes, holds, saves and takes, and a comparison with it."""

from __future__ import annotations

import copy
import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from steepest.cli import main
from steepest.errors import MissingExtraError, ModelError, OptionError
from steepest.evaluate.metrics import metric_info
from steepest.experiment.folder import load_comparison
from steepest.finetuning import finetuned, read_finetuning
from steepest.finetuning.nf4 import bits_a_weight, dequantise, quantise
from steepest.finetuning.quantised import (
    bytes_of_base,
    dequantised,
    numbers_in,
    quantise_layers,
    quantised_layers,
)
from steepest.models import build_model, count_parameters
from steepest.objectives import make_objective
from steepest.objectives.target import target_of_shape
from steepest.optim import make_rule
from steepest.prediction.model import TrainedModel
from steepest.record.store import Folder
from steepest.train.compiled import refuse
from steepest.train.problem import SupervisedProblem
from steepest.train.program import NotTraceableError
from steepest.train.weights import load_once, once
from tests.finetuning.test_adapters import moved, tokens
from tests.finetuning.test_ways import TEXT

pytest.importorskip("peft", reason="pip install '.[language]'")
pytest.importorskip("bitsandbytes", reason="pip install '.[language]'")

MODEL = "transformer(width=64, layers=2, heads=2)"
WAY = "qlora(4)"


@pytest.fixture
def net() -> nn.Module:
    """A network whose adapters have moved."""
    return moved(build_model(MODEL, TEXT, finetune=WAY))


@pytest.mark.parametrize("width", [8, 16, 32, 64, 96, 172])
def test_layers_compute_with_the_weights_of_the_reference(width: int) -> None:
    """Forward, in evaluation as in training, and backward to their inputs; also where rows are not whole blocks."""
    layer = nn.Linear(width, 48)
    model = nn.Sequential(layer)
    weight, bias = dequantise(quantise(layer.weight)), layer.bias.detach().clone()
    quantise_layers(model, ["0"], "float32")
    x = torch.randn(5, width, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = model.train()(x)
    wanted = nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(
        found, wanted, rtol=0, atol=1e-3
    )  # a scale may have the other of two codes as near
    with torch.no_grad():
        assert torch.equal(model.eval()(x), found)
    found.square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * wanted.detach() @ weight, rtol=1e-3, atol=1e-2)
    assert not any(each.requires_grad for each in model.parameters())
    torch.testing.assert_close(dequantised(model[0])(x), found, rtol=1e-6, atol=1e-6)


def test_products_may_be_in_bfloat16() -> None:
    wide, narrow = (
        build_model(MODEL, TEXT, finetune=f"qlora(4, compute={of})") for of in ("float32", "bf16")
    )
    one, other = wide(tokens()), narrow(tokens())
    assert other.dtype == torch.float32
    assert 1e-5 < (one - other).abs().max() / one.abs().max() < 3e-2
    other.sum().backward()
    assert {each.dtype for each in narrow.parameters() if each.requires_grad} == {torch.float32}
    assert read_finetuning("qlora(compute=bf16)").said.startswith("base in NF4, computed in bf16; ")


def test_all_of_a_network_is_in_its_state(net: nn.Module) -> None:
    """Another one with other weights and adapters becomes the same, however often it is saved."""
    other = build_model(MODEL, TEXT, seed=5, finetune=WAY).eval()
    assert not torch.equal(other(tokens()), net(tokens()))
    load_once(other, once(net.state_dict()))
    assert torch.equal(other(tokens()), net(tokens()))
    assert torch.equal(copy.deepcopy(net)(tokens()), net(tokens()))
    assert {type(each) for each in net.state_dict().values()} == {torch.Tensor}
    without = {name: each for name, each in net.state_dict().items() if not name.endswith("nested_absmax")}
    with pytest.raises(RuntimeError, match=r"Missing key.*query\.base_layer\.weight\.nested_absmax"):
        other.load_state_dict(without)
    with pytest.raises(RuntimeError, match=r"absmax has the shape \(3,\)"):
        other.load_state_dict({
            name: each.new_zeros(3) if name.endswith("0.query.base_layer.weight.absmax") else each
            for name, each in net.state_dict().items()
        })  # fmt: skip


def test_the_base_takes_what_four_bits_and_scales_take(net: nn.Module) -> None:
    """Tables and embeddings, norms and the output layer stand beside, in 32 bits."""
    plain = build_model(MODEL, TEXT)
    layers = dict(quantised_layers(net))
    assert len(layers) == 14
    quantised = sum(numbers_in(each.weight) for each in layers.values())
    whole = sum(each.numel() for each in plain.parameters())
    own, wide = bytes_of_base(net)
    assert wide == 4 * whole
    tables_and_means = 14 * (4 * (16 + 256) + 4)
    small_blocks = sum(
        4
        * (
            math.ceil(each.weight.quant_state.absmax.numel() / 256)
            - each.weight.quant_state.absmax.numel() / 256
        )
        for each in layers.values()
    )
    wanted = 4 * (whole - quantised) + quantised * bits_a_weight() / 8 + tables_and_means + small_blocks
    assert own == pytest.approx(wanted)
    assert sum(map(numbers_in, net.parameters())) == whole + count_parameters(net)
    assert f"instead of {4 * whole / 1e3:.0f} kB in 32 bits" in read_finetuning(WAY).said_of(net)


def test_layers_with_an_odd_number_of_inputs_stay() -> None:
    net = finetuned(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 1)), WAY)
    assert [name for name, _ in quantised_layers(net)] == ["2.base_layer"]
    x = torch.ones(2, 5)
    torch.testing.assert_close(read_finetuning(WAY).merged(net)(x), net(x))


def infinite() -> nn.Module:
    """A model with a weight that is not finite."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight[1, 1] = math.inf
    return model


REFUSED = [
    ("qlora(targets='q_proj')", lambda: build_model(MODEL, TEXT), OptionError, "no module's name ends in 'q_proj'"),
    ("qlora(compute=float16)", lambda: build_model(MODEL, TEXT), OptionError, "compute is 'float16'"),
    ("qlora", lambda: nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 1)), OptionError, "4 bits: 0 have an odd number"),
    ("qlora", infinite, ModelError, "the weights of '0' are not finite"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "model", "kind", "said"), REFUSED)
def test_what_cannot_be_quantised_is_refused(text, model, kind, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=said) as error:
        finetuned(model(), text)
    assert error.value.hint


def test_steps_of_quantised_layers_are_not_compiled() -> None:
    """Their weights would be constants of the program."""
    problem = SupervisedProblem(
        build_model(MODEL, TEXT, finetune=WAY), make_objective("", target_of_shape(TEXT))
    )
    with pytest.raises(NotTraceableError, match="layers of the model are quantised"):
        refuse(make_rule("adamw"), problem)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from steepest.finetuning import quantised

    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    quantised._layer_kind.cache_clear()
    with pytest.raises(MissingExtraError, match="need the library bitsandbytes") as error:
        finetuned(build_model(MODEL, TEXT), "qlora")
    assert "pip install '.[language]'" in error.value.hint
    quantised._layer_kind.cache_clear()


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of a few words."""
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    words = ["the king of rome", "a queen and a war", "love no more"]
    path.write_text("\n".join(words[(i * i + i // 3) % 3] for i in range(150)))
    return path


@pytest.fixture(scope="module")
def run(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of adapters of a network and of the quantised one."""
    out = tmp_path_factory.mktemp("qlora") / "run"
    command = [
        "compare",
        str(texts),
        "--kind",
        "text",
        "--block",
        "16",
        "--model",
        MODEL,
        "-o",
        "adamw(lr=0.01)",
    ]
    more = ["--finetune", "lora(4)", "--finetune", WAY, "--epochs", "1", "--seeds", "1", "--also", str(texts)]
    assert (
        main([*command, *more, "--batch-size", "16", "--compile", "off", "--out", str(out), "--quiet"]) == 0
    )
    return out


def test_a_run_begins_as_the_quantised_base(run: Path, texts: Path) -> None:
    """Its loss before training is a number of its own, that of the dequantised network."""
    records = {each.key.recipe: each for each in Folder(run).history().values()}
    found = load_comparison(Folder(run))
    before = {arm.title: records[arm.runs[0].rpartition("-")[0]].also_before for arm in found.arms}
    lora, quantised = (next(each for name, each in before.items() if name.endswith(f" {way}(4, 8)"))
                       for way in ("lora", "qlora"))  # fmt: skip
    assert lora["perplexity"] != quantised["perplexity"]
    trained = TrainedModel.load(run, arm="fine-tuned qlora(4, 8)")
    first = build_model(
        trained.about.model, trained.pipeline.shape, seed=trained.about.trained["seed"], finetune=WAY
    )
    plain = TrainedModel(read_finetuning(WAY).merged(first), trained.about, trained.pipeline)
    known = plain.predict(texts).known
    assert known is not None
    info = metric_info("perplexity")
    assert known.scores[info.name].value == pytest.approx(quantised["perplexity"], rel=1e-6)


def test_a_network_in_4_bits_is_saved_scored_and_goes_on(
    run: Path, texts: Path, tmp_path: Path, capsys
) -> None:  # type: ignore[no-untyped-def]
    trained = TrainedModel.load(run, arm="fine-tuned qlora(4, 8)")
    assert len([*quantised_layers(trained.net)]) == 14
    folder = trained.save(tmp_path / "model")
    again = TrainedModel.load(folder)
    rows = torch.arange(16)[None]
    assert torch.equal(again.net(rows), trained.net(rows))
    assert main(["generate", str(folder), "the king", "--tokens", "5"]) == 0
    assert main(["resume", str(run), "--quiet"]) == 0


def test_what_a_run_in_4_bits_takes_is_said(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "base in NF4, computed in float32; scale α/r = 2, held; base of " in page
