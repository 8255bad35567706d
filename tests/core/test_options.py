"""Options of the protocol as people give them in Python and on the command line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from steepest.errors import OptionError
from steepest.recipe import LARGEST_SEED, Protocol, validate_experiment


def protocol(**options: Any) -> Protocol:
    return validate_experiment({"data": {"target": "y"}, "protocol": options}).protocol


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({1: 5.0, 0: 1.0}, {"1": 5.0, "0": 1.0}),
        ({np.int64(1): 5}, {"1": 5.0}),
        ({True: 2.0, False: 1}, {"true": 2.0, "false": 1.0}),
        ({"yes": 2}, {"yes": 2.0}),
        ("yes=2,no=0.5", {"yes": 2.0, "no": 0.5}),
        ('"1,000"=2,no=0.5', {"1,000": 2.0, "no": 0.5}),
        ("'a=b, c'=2", {"a=b, c": 2.0}),
        ({'"1,000"': 2}, {'"1,000"': 2.0}),
    ],
)
def test_class_weights_name_classes_as_the_table_does(given: Any, read: dict[str, float]) -> None:
    assert protocol(class_weights=given).class_weights == read


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), "much"])
@pytest.mark.parametrize("how", [lambda weight: {"yes": weight}, lambda weight: f"yes={weight},no=1"])
def test_a_class_weight_is_a_number_above_0(weight: Any, how: Any) -> None:
    """At 0, a batch of that class alone has no mean loss; below, the loss is made larger."""
    with pytest.raises(OptionError, match=r"the weight of 'yes' is .*, and must be a number above 0"):
        protocol(class_weights=how(weight))


@pytest.mark.parametrize(
    ("given", "read"), [(np.int64(1), "1"), (np.bool_(True), "true"), (True, "true"), (1.0, "1")]
)
def test_the_positive_class_may_be_a_number_of_numpy(given: Any, read: str) -> None:
    assert protocol(positive=given).positive == read


def test_a_seed_that_no_table_holds_is_refused_before_anything_is_trained() -> None:
    assert protocol(seed=LARGEST_SEED).seed == LARGEST_SEED
    for seed in (LARGEST_SEED + 1, 2**63, -1):
        with pytest.raises(OptionError, match=f"seed = {seed}"):
            protocol(seed=seed)


@pytest.mark.parametrize("name", ["epochs", "minutes", "clip", "learning_rates"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_amounts_are_finite(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=r"must be a finite number|must be greater than 0"):
        protocol(**{name: [value] if name == "learning_rates" else value})


@pytest.mark.parametrize(
    "section", ["data", "model", "protocol", "execution", "factors", "plan", "optimizers", "arms"]
)
@pytest.mark.parametrize("value", [True, 1, 0.5, "text", [1], [[]]])
def test_a_section_that_is_something_else_is_an_error_of_ours(section: str, value: Any) -> None:
    tree = {"data": {"target": "y"}, section: value}
    if (section, value) == ("optimizers", "text"):
        return
    with pytest.raises(OptionError):
        validate_experiment(tree)
