"""Every model keeps its contract, and the suite finds those that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from steepest.data.dataset import Shape
from steepest.data.numbers import NumberEncoding
from steepest.models import registry
from steepest.testing import ModelConformance
from steepest.testing.models import CURVES, IMAGES, RECONSTRUCTED, SHAPES, TEXTS
from tests.train.test_rows import VectorsAndBiases


class TestTables(ModelConformance):
    models = (
        "linear",
        "embedding-mlp",
        "embedding-mlp(hidden=(8, 4), dropout=0.3, hidden_dropout=0.2)",
        "embedding-mlp(hidden=(), dropout=0.0)",
        "mlp",
        "mlp(hidden=(8, 4), norm=batch, activation=gelu, dropout=(0.3, 0.1), embedding={'shop': 3})",
        "residual-mlp(hidden=(8, 4), norm=layer, activation=silu, dropout=0.2)",
        "wide-deep",
        "wide-deep(hidden=(8,), crosses=(('colour', 'shop'),), embedding={'shop': 3}, dropout=0.2, hidden_dropout=0.2)",
        "wide-deep(hidden=(8,), crosses=(('colour', 'shop'),), buckets=50, wide=4)",
        "deep-cross(hidden=(8,))",
        "deep-cross(hidden=(8, 4), layers=3, cross=vector, structure=stacked, norm=batch, embedding={'shop': 3})",
        "deep-cross(hidden=(), layers=1, rank=2)",
        "deep-cross(hidden=(8,), layers=0, activation=tanh, dropout=0.2)",
        "tabm(hidden=(8,))",
        "tabm(k=3, hidden=(8, 4), dropout=(0.2, 0.0), activation=gelu, embedding={'shop': 3})",
        "tabm(k=1, hidden=(8,))",
        "tabm(k=3, hidden=())",
    )


def encoded(kind: str) -> list[Shape]:
    """The tables with columns of numbers that are encoded."""
    scores = np.random.default_rng(0).standard_t(2, (500, 3))
    return [replace(each, numbers=NumberEncoding.fit(kind, scores)) for each in SHAPES]


class TestEncodedNumbers(ModelConformance):
    models = ("linear", "embedding-mlp")
    shapes = (*encoded("piecewise(bins=5)"), *encoded("periodic(frequencies=3, width=2)"))


class TestCurves(ModelConformance):
    models = (
        "linear",
        "polynomial(2)",
        "polynomial(1, init=(1.0, 2.0))",
        "mlp",
        "mlp(hidden=(4,), activation=relu)",
        "mlp(hidden=(4,), norm=layer, activation=leaky-relu)",
        "deep-cross(hidden=(4,))",
        "tabm(k=3, hidden=(4,), dropout=0.0)",
    )
    shapes = CURVES


class TestImages(ModelConformance):
    models = (
        "linear",
        "mlp(dropout=0.2)",
        "cnn",
        "cnn(channels=(4,), dropout=0.2)",
        "residual-mlp(hidden=(8, 8))",
        "residual-mlp(hidden=(8, 8), norm=batch, activation=tanh, dropout=(0.0, 0.2))",
    )
    shapes = IMAGES


class TestReconstructions(ModelConformance):
    models = (
        "autoencoder",
        "autoencoder(width=3, hidden=())",
        "autoencoder(width=5, hidden=(8,), channels=(4, 6), activation=tanh)",
        "mlp(hidden=(8,))",
        "residual-mlp(hidden=(8,))",
    )
    shapes = RECONSTRUCTED


class TestTexts(ModelConformance):
    models = (
        "transformer(width=8, layers=1, heads=2)",
        "transformer(width=16, layers=2, heads=4, kv_heads=2, hidden=12, dropout=0.2, eps=1e-3, base=100.0, "
        "tied=false)",
    )
    shapes = TEXTS


class TestRatings(ModelConformance):
    models = (
        "dot",
        "dot(factors=3, start=0.5, mean=false)",
        "dot-bias",
        "dot-bias(factors=0)",
        "dot-bias(factors=3, start=0.5, mean=false)",
        "embedding-net",
        "embedding-net(factors=(3, 2), hidden=(8, 4), dropout=0.3, hidden_dropout=0.2, margin=0, start=0.1)",
    )
    shapes = (Shape("regression", {"user": 5, "item": 40}, (), 1, bounds=(0.5, 5.0)),)


class TestSeveralTablesOfAColumn(ModelConformance):
    models = (VectorsAndBiases,)


def test_every_model_is_tested():
    suites = (TestTables, TestCurves, TestImages, TestReconstructions, TestTexts, TestRatings)
    assert {each.partition("(")[0] for suite in suites for each in suite.models} == set(registry.names())


class Sound(nn.Module):
    """A small model of one table and a linear layer, which the broken ones change."""

    def __init__(self, shape):
        super().__init__()
        self.table = nn.Embedding(shape.cardinalities["shop"], 4)
        self.head = nn.Linear(4 + len(shape.continuous), shape.outputs)
        self.tables = {"shop": "table.weight"}

    def forward(self, categorical, continuous):
        return self.head(torch.cat([self.table(categorical[:, 1]), continuous], 1))


class Flat(Sound):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous)[:, :1].squeeze(1)


class Logarithm(Sound):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous).log()


class Single(Sound):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous).float()


class DrawsByNumPy(Sound):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous) * float(np.random.rand())  # noqa: NPY002


class BuiltByNumPy(Sound):
    def __init__(self, shape):
        super().__init__(shape)
        nn.init.constant_(self.head.bias, float(np.random.rand()))  # noqa: NPY002


class Unused(Sound):
    def __init__(self, shape):
        super().__init__(shape)
        self.spare = nn.Parameter(torch.ones(2))


class AlwaysDrops(Sound):
    def forward(self, categorical, continuous):
        return nn.functional.dropout(super().forward(categorical, continuous), 0.5, training=True)


class Counts(Sound):
    def __init__(self, shape):
        super().__init__(shape)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, categorical, continuous):
        self.calls += 1
        return super().forward(categorical, continuous)


class Centred(Sound):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous - continuous.mean(0))


class InPlace(Sound):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous.mul_(2.0))


class UsesCodes(Sound):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous) + categorical[:, 1:] * 0.1


class Misnamed(Sound):
    def __init__(self, shape):
        super().__init__(shape)
        self.tables = {"shop": "tables.weight"}


class Branches(Sound):
    def forward(self, categorical, continuous):
        factor = 2.0 if float(continuous.sum()) > 0 else 1.0
        return super().forward(categorical, continuous) * factor


class Gaussian(Sound):
    def forward(self, categorical, continuous):
        noise = torch.randn_like(continuous) if self.training else 0.0
        return super().forward(categorical, continuous + noise)


@pytest.mark.parametrize(
    ("model", "check", "fact"),
    [
        (Flat, "the_outputs_have_the_shape", "outputs of shape"),
        (Logarithm, "the_outputs_have_the_shape", "not finite"),
        (Single, "the_outputs_have_the_shape", "float32 from torch.float64"),
        (DrawsByNumPy, "random_numbers_come_from_torch", "other outputs from the same numbers"),
        (BuiltByNumPy, "a_seed_gives_the_same_weights", "other weights with the same seed"),
        (Unused, "gradients_reach_all_parameters", "no gradient for spare"),
        (AlwaysDrops, "evaluation_is_deterministic", "other outputs for the same rows"),
        (Counts, "evaluation_is_deterministic", "evaluation changes it"),
        (Centred, "rows_are_independent", "rows depend on others"),
        (InPlace, "changes_no_inputs", "changes its inputs"),
        (UsesCodes, "tables_are_used_for_look_ups_only", "used for more than look-ups"),
        (Misnamed, "tables_are_used_for_look_ups_only", "which is no parameter"),
        (Branches, "a_step_can_be_one_program", "cannot be traced"),
        (Gaussian, "a_step_can_be_one_program", "draws random numbers"),
    ],
)
def test_the_suite_finds(model, check, fact):
    class TestIt(ModelConformance):
        models = (model,)

    with pytest.raises(AssertionError, match=fact):
        getattr(TestIt(), f"test_{check}")()


class TestSound(ModelConformance):
    models = (Sound,)


class TestStatedReason(ModelConformance):
    models = (Gaussian,)
    eager = "draws random numbers"


def test_a_stated_reason_that_is_none_is_found():
    class TestIt(ModelConformance):
        models = (Sound,)
        eager = "draws random numbers"

    with pytest.raises(AssertionError, match="its step can be one program, not 'draws"):
        TestIt().test_a_step_can_be_one_program()
