"""Networks of hidden layers: their options, and that models from before stay what they were."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steepest.components.grammar import parse
from steepest.data.dataset import InputField, Shape
from steepest.errors import ModelError, UnknownNameError
from steepest.models import as_declared, build_model
from steepest.recipe import Recipe

CURVE = Shape("regression", {}, ("x",), 1, (InputField("x", "values", (1,)),))
IMAGE = Shape("classification", {}, (), 3, (InputField("image", "image", (1, 8, 8)),))
TABLE = Shape("classification", {"kind": 4, "ward": 3}, ("x", "y"), 3)


@pytest.mark.parametrize(
    ("text", "shape", "names", "total"),
    [
        ("mlp", CURVE, "layers.0 layers.2 layers.4", -6.474458),
        ("mlp(hidden=(5, 3), dropout=0.2)", IMAGE, "layers.1 layers.4 layers.7", -1.0118134),
        ("residual-mlp(hidden=(4, 4))", IMAGE, "blocks.0.first blocks.0.second blocks.1.first", -2.2835021),
    ],
)
def test_models_from_before_have_the_same_names_and_weights(text, shape, names, total):
    known = build_model(text, shape, seed=3).state_dict()
    assert {f"{each}.weight" for each in names.split()} <= set(known)
    assert sum(float(each.sum()) for each in known.values()) == pytest.approx(total, abs=1e-3)


def test_the_run_id_of_a_model_without_new_options_is_what_it_was():
    recipe = Recipe(data="d", model="mlp", optimizer="adam(lr=0.1)", schedule="cosine", steps=9, batch_size=8)
    assert recipe.id == "2128614a4632"


def kinds(net):
    return [type(each).__name__ for each in net.layers]


def test_norm_activation_and_dropout_stand_in_every_hidden_layer():
    net = build_model("mlp(hidden=(8, 4), norm=batch, activation=silu, dropout=(0.3, 0.1))", TABLE)
    assert kinds(net) == [*["Linear", "BatchNorm1d", "SiLU", "Dropout"] * 2, "Linear"]
    assert [each.p for each in net.layers if isinstance(each, nn.Dropout)] == [0.3, 0.1]
    assert [each.bias is None for each in net.layers if isinstance(each, nn.Linear)] == [True, True, False]


def test_a_layer_without_dropout_has_none():
    net = build_model("mlp(hidden=(8, 4), norm=layer, dropout=(0, 0.5))", TABLE)
    assert kinds(net) == ["Linear", "LayerNorm", "ReLU", "Linear", "LayerNorm", "ReLU", "Dropout", "Linear"]


@pytest.mark.parametrize("text", ["mlp(norm=none)", "residual-mlp(norm=none)", "mlp(norm='none')"])
def test_a_norm_can_be_none(text):
    assert as_declared(parse(text)).options == {"norm": "none"}
    bare = build_model(text.partition("(")[0], TABLE, seed=3)
    assert str(build_model(text, TABLE, seed=3)) == str(bare)


def test_a_table_without_categories_is_the_network_of_its_numbers():
    net = build_model("mlp", Shape("regression", {}, ("x", "y"), 1))
    values = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net(torch.zeros(5, 0, dtype=torch.long), values), net.layers(values))


def test_a_residual_block_is_the_formula():
    net = build_model("residual-mlp(hidden=(6, 6), norm=layer, activation=tanh)", TABLE).eval()
    codes, values = torch.tensor([[1, 2], [3, 0]]), torch.tensor([[0.5, -1.0], [2.0, 0.1]])
    tables = [each.weight for each in net.columns.embeddings]
    h = torch.cat([tables[0][codes[:, 0]], tables[1][codes[:, 1]], values], 1)
    for block in net.blocks:
        norms = next(iter(block.inner)), next(iter(block.norm))
        u = torch.tanh(norms[0](block.first(h)))
        shortcut = h if h.shape[1] == 6 else h @ block.shortcut.weight.T
        h = torch.tanh(shortcut + norms[1](block.second(u)))
    assert torch.allclose(net(codes, values), net.head(h))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("mlp(dropout=(0.1, 0.2, 0.3))", "dropout has 3 shares for 2 hidden layers"),
        ("residual-mlp(dropout=(0.1,))", "dropout has 1 shares for 2 hidden layers"),
        ("mlp(dropout=1.0)", "a dropout of 1"),
        ("mlp(dropout=(0.1, -0.5))", "a dropout of -0.5"),
        ("mlp(activation=swish)", "there is no activation 'swish'"),
        ("residual-mlp(activation=swish)", "there is no activation 'swish'"),
        ("mlp(hidden=(8, 0))", "a layer's width is 0"),
        ("mlp(embedding={'kind': 0})", "a layer's width is 0"),
    ],
)
def test_options_out_of_range_are_refused(text, fact):
    with pytest.raises(ModelError) as error:
        build_model(text, TABLE)
    assert error.value.fact == fact


@pytest.mark.parametrize("text", ["mlp(norm=bach)", "residual-mlp(norm=bach)", "mlp(embedding={'kin': 3})"])
def test_unknown_names_are_answered_with_known_ones(text):
    with pytest.raises(UnknownNameError) as error:
        build_model(text, TABLE)
    assert "batch" in error.value.hint or "kind" in error.value.hint
