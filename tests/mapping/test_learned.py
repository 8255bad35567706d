"""Activations and vectors of categories, held against forward passes by hand."""

from __future__ import annotations

import polars as pl
import pytest
import torch
from torch import Tensor, nn

import steepest as st
from steepest.data.dataset import Shape
from steepest.errors import ModelError, OptionError, UnknownNameError
from steepest.models import build_model
from steepest.prediction.learned import activations_of, layers_of, tables_of


def network(churned):
    arms = st.Result.load(churned).comparison.arms
    return st.load(churned, arm=next(arm.id for arm in arms if arm.factors["model"].startswith("embedding")))


def numbers(frame: pl.DataFrame) -> Tensor:
    return torch.from_numpy(frame.select([each for each in frame.columns if each.isdecimal()]).to_numpy())


def by_hand(net: nn.Module, codes: Tensor, values: Tensor) -> dict[str, Tensor]:
    """The layers of an embedding network in evaluation mode, one formula after the other."""
    weights = {name: each.detach() for name, each in net.state_dict().items()}
    h = torch.cat([weights["embeddings.0.weight"][codes[:, 0]], values], 1)
    found: dict[str, Tensor] = {}
    for i in range(2):
        mean, variance = weights[f"blocks.{i}.0.running_mean"], weights[f"blocks.{i}.0.running_var"]
        h = (h - mean) / (variance + 1e-5).sqrt() * weights[f"blocks.{i}.0.weight"] + weights[
            f"blocks.{i}.0.bias"
        ]
        found[f"blocks.{i}.1"] = h = h @ weights[f"blocks.{i}.1.weight"].T
        found[f"blocks.{i}"] = h = h.clamp(min=0)
    found["head"] = h @ weights["head.weight"].T + weights["head.bias"]
    return found


@pytest.mark.parametrize("layer", ["blocks.0", "blocks.1.1", "blocks.1", "head"])
def test_activations_are_those_of_a_forward_pass_by_hand(churned, churn_csv, layer):
    model = network(churned)
    [encoded] = model.pipeline.transform_batches(churn_csv, 1000)
    frame = model.activations(churn_csv, layer=layer, keep="plan")
    assert frame.columns[:3] == ["row", "plan", "0"]
    assert frame["row"].to_list() == list(range(600))
    assert frame["plan"].to_list() == pl.read_csv(churn_csv)["plan"].to_list()
    torch.testing.assert_close(
        numbers(frame), by_hand(model.net, *encoded.inputs)[layer], rtol=1e-4, atol=1e-5
    )


def test_the_last_hidden_layer_is_the_default_and_the_network_stays_as_it_is(churned, churn_csv):
    model = network(churned)
    before = model.predict(churn_csv).table
    weights = {name: each.clone() for name, each in model.net.state_dict().items()}
    assert model.activations(churn_csv).equals(model.activations(churn_csv, layer="blocks.1"))
    assert model.predict(churn_csv).table.equals(before)
    assert all(torch.equal(each, weights[name]) for name, each in model.net.state_dict().items())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.net.modules())


def test_rows_that_the_preparation_leaves_out_are_not_counted_away(churned, churn_csv):
    model = network(churned)
    few = pl.read_csv(churn_csv)[5:8]
    assert model.activations(few)["row"].to_list() == [0, 1, 2]
    torch.testing.assert_close(numbers(model.activations(few)), numbers(model.activations(churn_csv))[5:8])


def test_a_layer_that_is_not_there_names_those_that_are(churned, churn_csv):
    model = network(churned)
    with pytest.raises(UnknownNameError, match=r"no layer 'block\.1'") as error:
        model.activations(churn_csv, layer="block.1")
    assert "did you mean 'blocks.1'" in error.value.hint
    assert "blocks.1 (Sequential, 6)" in error.value.hint
    assert model.layers[-2:] == ("blocks.1", "head")
    with pytest.raises(OptionError, match="'0' cannot be kept"):
        model.activations(pl.read_csv(churn_csv).rename({"age": "0"}), keep="0")


def test_a_linear_model_has_no_hidden_layer_but_vectors(churned, churn_csv):
    linear = next(
        arm.id for arm in st.Result.load(churned).comparison.arms if arm.factors["model"] == "linear"
    )
    model = st.load(churned, arm=linear)
    with pytest.raises(ModelError, match="no hidden layer") as error:
        model.activations(churn_csv)
    assert "head (Linear, 2)" in error.value.hint
    assert model.embedding("plan").shape == (3, 3)


def test_vectors_are_those_of_the_table_by_category(churned):
    model = network(churned)
    frame = model.embedding("plan")
    assert frame.columns == ["plan", "0", "1", "2"]
    assert frame["plan"].to_list() == ["basic", "plus", "pro"]
    assert torch.equal(numbers(frame), model.net.embeddings[0].weight.detach()[1:])
    with pytest.raises(UnknownNameError) as error:
        model.embedding("age")
    assert "Known: plan" in error.value.hint


def test_a_result_gives_the_vectors_of_its_best_network(churned):
    assert st.Result.load(churned).embedding("plan").equals(st.load(churned / "model").embedding("plan"))


class InPlace(nn.Module):
    """Its activation overwrites what the layer before gave, and one module is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.head = nn.Linear(2, 3), nn.ReLU(inplace=True), nn.Linear(3, 1)

    def forward(self, codes: Tensor, values: Tensor) -> Tensor:
        return self.head(self.act(self.first(values) - 1) + self.act(self.first(values)))


def test_what_a_later_layer_overwrites_is_kept():
    net, values = InPlace().eval(), torch.linspace(-2, 2, 14).reshape(7, 2)
    layers = layers_of(net, Shape("regression", {}, ("a", "b"), 1))
    assert layers.last_hidden == "act"
    inputs = (torch.zeros(7, 0, dtype=torch.long), values)
    first = torch.from_numpy(activations_of(net, layers.known["first"], inputs))
    assert torch.equal(first, net.first(values).detach())
    assert float(first.min()) < 0
    assert torch.equal(torch.from_numpy(activations_of(net, layers.known["act"], inputs)), first.clamp(min=0))


def test_activations_of_images_are_those_of_their_layers(seen_images):
    model = st.load(seen_images)
    pixels = seen_images.parent / "bars" / "t10k-images-idx3-ubyte.gz"
    [encoded] = model.pipeline.transform_batches(pixels, 1000)
    inner, field = model.net.net, model.about.shape.fields[0]
    scores = (encoded.inputs[0].float() - field.mean[0]) / field.sd[0]
    expected = inner.layers[2](inner.layers[1](scores.flatten(1))).detach()
    torch.testing.assert_close(numbers(model.activations(pixels)), expected, rtol=1e-4, atol=1e-5)
    assert model.activations(pixels, layer="layers.2").equals(model.activations(pixels))


def test_the_vectors_of_a_category_are_embeddings_and_no_weights_of_outputs():
    shape = Shape("classification", {"plan": 4, "town": 9}, ("age",), 30)
    net = build_model("wide-deep(embedding={'plan': 3}, crosses=(('plan', 'town'),))", shape)
    vectors, weights = tables_of(net, "plan")
    assert (vectors.shape, weights.shape) == ((4, 3), (4, 30))
    assert vectors.data_ptr() == net.deep.embeddings[0].weight.data_ptr()
