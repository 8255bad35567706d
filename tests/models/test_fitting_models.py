"""The hint for a model that does not fit names those that fit the data, and only them."""

from __future__ import annotations

import pytest

from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models import build_model

TABLE = Shape("regression", {"kind": 4, "ward": 3}, ("x",), 1)
RATINGS = Shape("regression", {"user": 4, "film": 6}, (), 1, bounds=(0.5, 5.0))
OF_TABLES = "deep-cross or embedding-mlp or linear or mlp or residual-mlp or tabm or wide-deep"


@pytest.mark.parametrize(
    ("shape", "model", "fact", "hint"),
    [
        (TABLE, "cnn", "'cnn' does not take tables", f"choose --model {OF_TABLES}."),
        (TABLE, "polynomial", "'polynomial' does not take tables", f"choose --model {OF_TABLES}."),
        (
            TABLE,
            "dot-bias",
            "'dot-bias' is of ratings",
            f"name the columns of ratings (--user, --item and --rating), or choose --model {OF_TABLES}.",
        ),
        (
            RATINGS,
            "cnn",
            "'cnn' does not take ratings",
            f"choose --model dot or dot-bias or embedding-net or {OF_TABLES}.",
        ),
    ],
)
def test_a_hint_names_the_models_that_fit(shape, model, fact, hint):
    with pytest.raises(ModelError) as error:
        build_model(model, shape, seed=0)
    assert fact in error.value.fact
    assert error.value.hint == hint
    for name in hint.removesuffix(".").split("--model ")[-1].split(" or "):
        build_model(name, shape, seed=0)
