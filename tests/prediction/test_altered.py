"""Networks trained on altered labels or fewer rows: for use only if there is no other, and named as what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import steepest as st
from steepest.sweep.observer import Observer
from tests.conftest import churn_table


def compared(out: Path, **factors: object) -> st.Result:
    table = st.read_table(churn_table(240), target="churned", split_seed=5)
    plan = st.plan(
        table, optimizers=["adam(lr=0.03)"], seeds=1, epochs=1, compile="off", baseline="none", **factors
    )
    return plan.run(out, observer=Observer())


def test_the_network_for_use_learned_from_the_data_as_given(tmp_path: Path) -> None:
    found = compared(tmp_path / "run", labels=["noise(0.02)", "none"])
    other, mine = (found.arm(each).about.trained for each in ("noise(0.02)", "true labels"))
    assert other["validation"]["log_loss"] < mine["validation"]["log_loss"]
    assert (
        found.comparison.winner
        == found.comparison.recommended
        == found.best.about.trained["arm"]
        == "true labels"
    )
    assert found.best.title == st.load(found.path / "model").title == "the network of the arm 'true labels'"
    assert found.sentence.startswith("Use true labels")
    assert "Noise(0.02) is better on the validation rows, but not for use" in found.sentence
    assert "not trained on the data as given" in found.report.read_text(encoding="utf-8")
    named = found.arm("noise(0.02)").title
    assert named == "the network of the arm 'noise(0.02)' (learned from labels altered by noise(0.02))"


@pytest.mark.parametrize(
    ("factors", "learned"),
    [
        ({"labels": ["noise(0.1)"]}, "labels altered by noise(0.1)"),
        ({"train_rows": [0.5]}, "50 % of the training rows"),
        ({"train_rows": [100], "labels": ["noise(0.1)"]}, "100 training rows, labels altered by noise(0.1)"),
    ],
)
def test_where_every_arm_is_altered_the_sentence_and_the_model_say_so(tmp_path, factors, learned) -> None:
    found = compared(tmp_path / "run", **factors)
    assert found.best.title == f"a network trained by adam(lr=0.03) (learned from {learned})"
    assert found.sentence.endswith(
        f"No arm was trained on the data as given: the saved network learned from {learned}."
    )
