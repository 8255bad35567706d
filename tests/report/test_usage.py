"""Commands to copy work for every kind of data, and for a source of the user's own."""

from __future__ import annotations

from pathlib import Path

from steepest.compare.estimates import Difference, Estimate
from steepest.compare.result import Row
from steepest.report.usage import SEE_WHY, snippets, usage
from tests.report.test_text import small


def test_images_are_predicted_from_a_folder():
    command, python, _ = snippets("runs/p", "runs/p/model", "classification", "cnn", "new-images/")
    assert command.value == "steepest predict runs/p new-images/ --out predictions.parquet"
    assert python.value.endswith('model.predict_proba("new-images/")')


def test_a_source_of_the_users_own_is_named_again():
    command, python, _ = snippets("runs/p", "runs/p/model", "regression", "mlp", "new.npz", "mine.py:Arrays")
    assert (
        command.value == "steepest predict runs/p new.npz --out predictions.parquet --source mine.py:Arrays"
    )
    assert 'st.load("runs/p", source="mine.py:Arrays")' in python.value


def test_the_loss_around_a_network_is_offered_where_a_command_can_name_it():
    result = small().model_copy(update={"recommended": "adam", "winner": "adam"})
    offered = [
        {each.label: each.value for each in usage(Path("runs/x y"), result, model)}.get(SEE_WHY)
        for model in ("linear", "nets.py:Net(width=3)", "callable nets:build")
    ]
    assert offered == [
        "steepest landscape 'runs/x y'",
        "steepest landscape 'runs/x y' --model 'nets.py:Net(width=3)'",
        None,
    ]


def test_the_baseline_that_is_offered_instead_is_the_best_on_validation():
    def baseline(name: str, tested: float, chosen_by: float | None) -> Row:
        value = Estimate(mean=tested, low=tested, high=tested, n=1)
        return Row(
            kind="baseline", name=name, metrics={"log_loss": value}, seeds=1, chosen_by=chosen_by,
            model=f"baselines/{name}",
        )  # fmt: skip

    def offered(*chosen_by: float | None) -> str:
        rows = [
            baseline(name, 0.5 + i / 10, each)
            for i, (name, each) in enumerate(zip("ab", chosen_by, strict=True))
        ]
        known = {
            "first": "adam",
            "metric": "log_loss",
            "over": "both",
            "mean": 0.01,
            "low": -1.0,
            "high": 1.0,
            "n": 2,
        }
        found = [
            Difference.model_validate({**known, "second": each.name, "told_apart": False}) for each in rows
        ]
        result = small().model_copy(
            update={
                "recommended": "adam",
                "winner": "adam",
                "metric": "log_loss",
                "rows": rows,
                "differences": found,
            }
        )
        [command] = [
            each.value for each in usage(Path("r"), result, "linear") if each.label.startswith("command, ")
        ]
        return command.split()[2]

    assert offered(0.8, 0.7) == "r/baselines/b"
    assert offered(0.7, 0.8) == "r/baselines/a"
    assert offered(None, None) == "r/baselines/a"
