"""Commands and code that a reader copies to use the result of a comparison."""

from __future__ import annotations

import json
from pathlib import Path

from steepest.compare.result import Comparison, Fact, Row, best_chosen
from steepest.components import grammar
from steepest.data.dataset import Task, has_classes
from steepest.recipe import CALLABLE
from steepest.record.store import TEST_PREDICTIONS, command

SEE_WHY = "see why: the training loss around the network"
INSTEAD = ", the best network instead"


def usage(folder: Path, comparison: Comparison, model: str | None, *, predicted: bool = True) -> list[Fact]:
    """Return the command and the Python that use the recommended model, and the command of the one that may be as good.

    Beside a baseline that is the network's, beside the network that of the baseline with no detectable difference
    that is best on validation.

    Args:
        folder: the experiment's folder.
        comparison: the one to use.
        model: what the network was built from, None if no run of it finished.
        predicted: whether the predictions of the test rows are kept, which earlier versions did not.
    """
    where = folder.as_posix()
    saved = comparison.saved_model
    given = comparison.new_rows, comparison.own_source
    if saved == "model" and model is None:
        return []
    found = snippets(where, f"{where}/{saved}", comparison.task, model if saved == "model" else None, *given)
    if saved != "model" and model is not None:
        path = f"{where}/model"
        first = snippets(path, path, comparison.task, model, *given)[0]
        found.append(Fact(label=f"{first.label}{INSTEAD}", value=first.value))
    other = _undetected(comparison) if saved == "model" else None
    if other is not None:
        path = f"{where}/{other.model}"
        first = snippets(path, path, comparison.task, None, *given)[0]
        found.append(Fact(label=f"{first.label}, {other.name} instead", value=first.value))
    if predicted:
        found.append(
            Fact(label=f"predictions of {comparison.results_on}", value=f"{where}/{TEST_PREDICTIONS}")
        )
    if saved == "model" and model is not None and not model.startswith("callable "):
        found.append(Fact(label=SEE_WHY, value=command("landscape", where, *_again(comparison, model))))
    return found


def seen(folder: Path, comparison: Comparison, model: str | None) -> list[Fact]:
    """Return the commands that show why the winner went as it did, where its weights are on its kept path.

    Args:
        folder: the experiment's folder.
        comparison: the one to look at.
        model: what the network was built from, None if no run of it finished.
    """
    known = {each.name: each for each in comparison.paths}
    path = known.get(comparison.winner)
    if path is None or not path.exact or model is None or model.startswith("callable "):
        return []
    where, again = folder.as_posix(), _again(comparison, model)
    arm = ["--arm", path.name] if len(comparison.arms) > 1 else []
    return [
        Fact(label=label, value=command(name, where, *arm, *more, *again))
        for label, name, more in (
            ("its path over the training loss", "landscape", ["--plane", "pca"]),
            ("curvature, noise and turns along it", "spectrum", []),
        )
    ]


def _again(comparison: Comparison, model: str) -> list[str]:
    """Return the options that name the user's own code again, which is never run unless it is given."""
    again = ["--model", model] if grammar.parse(model).is_reference else []
    return again + (["--source", comparison.own_source] if comparison.own_source else [])


def snippets(
    where: str, saved: str, task: Task, model: str | None, rows: str = "new.csv", source: str = ""
) -> list[Fact]:
    """Return the command, the Python and the folder of one model.

    Args:
        where: the path that is given to predict and load.
        saved: the folder of the model.
        task: decides what the Python asks for: probabilities, or a number.
        model: what the model was built from: the user's own is never run unless it is given again. None for a
            baseline.
        rows: an example of a path of new rows.
        source: what opens them, where that is the user's own: it is never run unless it is given again.

    Example:
        >>> command, python, _ = snippets("runs/rent", "runs/rent/model", "regression", "nets.py:Net(width=3)")
        >>> command.value
        "steepest predict runs/rent new.csv --out predictions.parquet --model 'nets.py:Net(width=3)'"
        >>> print(python.value)
        import steepest as st
        <BLANKLINE>
        model = st.load("runs/rent", model="nets.py:Net(width=3)")
        model.predict("new.csv")
    """
    imports, again, options = ["import steepest as st"], "", list[str]()
    built_by = (model or "").removeprefix(CALLABLE)
    called = built_by != (model or "")
    if called:
        module, _, name = built_by.rpartition(":")
        importable = module != "__main__" and name.isidentifier()
        imports += [f"from {module} import {name}"] if importable else []
        again = f", model={name if name.isidentifier() else 'build'}"
    elif model is not None and grammar.parse(model).is_reference:
        again, options = f", model={json.dumps(model, ensure_ascii=False)}", ["--model", model]
    if source:
        again += f", source={json.dumps(source, ensure_ascii=False)}"
        options += ["--source", source]
    asked = f"{'predict_proba' if has_classes(task) else 'predict'}({json.dumps(rows, ensure_ascii=False)})"
    loaded = f"model = st.load({json.dumps(where, ensure_ascii=False)}{again})"
    if "model=build" in again:
        loaded += "  # build: the callable that made the model"
    python = "\n".join([*imports, "", loaded, f"model.{asked}"])
    found = [Fact(label="Python", value=python), Fact(label="model", value=saved)]
    if called:  # a command line cannot name a callable
        return found
    shown = command("predict", where, rows, "--out", "predictions.parquet", *options)
    return [Fact(label="command", value=shown), *found]


def _undetected(comparison: Comparison) -> Row | None:
    """Return the saved baseline, best on validation, with no detectable difference from the winner."""
    undetected = {
        each.second
        for each in comparison.differences
        if each.first == comparison.winner and each.metric == comparison.metric and not each.told_apart
    }
    rows = [row for row in comparison.rows if row.kind == "baseline" and row.name in undetected and row.model]
    metric = next(each for each in comparison.metrics if each.name == comparison.metric)
    return next(iter(best_chosen(rows, metric)), None)


def commands(comparison: Comparison) -> list[str]:
    """Return the commands as lines for a terminal."""
    names = {"command": "predict", f"command{INSTEAD}": "network"}
    found = [each for each in comparison.use if each.label.split(",")[0] == "command"]
    return [f"{names.get(each.label, 'baseline'):<8} {each.value}" for each in found]
