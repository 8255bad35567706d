"""What scikit-learn expects of every estimator."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import steepest as st

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "a row with the weight 2 is one row of a batch, not two",
}
KINDS = (st.SteepestClassifier, st.SteepestRegressor)


@parametrize_with_checks(
    [kind(hidden=(32,), epochs=40) for kind in KINDS], expected_failed_checks=lambda _: EXPECTED
)
def test_estimators_do_what_scikit_learn_expects(estimator: Any, check: Any):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([kind() for kind in KINDS], expected_failed_checks=lambda _: EXPECTED)
def test_estimators_do_so_with_every_default(estimator: Any, check: Any):
    check(estimator)
