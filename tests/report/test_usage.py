"""Commands to copy work for every kind of data, and for a source of the user's own."""

from __future__ import annotations

from steepest.report.usage import snippets


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
