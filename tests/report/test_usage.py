"""Commands to copy work for every kind of data, and for a source of the user's own."""

from __future__ import annotations

from pathlib import Path

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
