"""The page beside an exported model: what it is, what it needs, and how a row is predicted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from steepest.export.portable.dates import written
from steepest.prediction.model import TrainedModel

_NEEDS = {"torch": "torch safetensors numpy", "onnx": "onnxruntime numpy"}
_KINDS = {
    "text": "text",
    "whole": "whole number",
    "number": "number",
    "truth": "true or false",
    "date": "date, as 2018-01-31 or 2018-01-31 22:05",
}


def readme(model: TrainedModel, about: Mapping[str, Any], form: str) -> str:
    """Return the page as Markdown.

    Args:
        model: the model.
        about: the content of ``encoders.json``.
        form: ``torch`` or ``onnx``.
    """
    what = "the class probabilities" if model.classes else "the value"
    row = ", ".join(f"{name!r}: {_example(name, each, about)!r}" for name, each in about["columns"].items())
    lines = [
        f"# {model.about.target}: {model.title}",
        "",
        f"It predicts {what} of each row of a table, without steepest: `pip install {_NEEDS[form]}`.",
        "",
        "```console",
        "$ python predict.py new.csv predictions.csv",
        "```",
        "",
        "```python",
        "from predict import predict  # with this folder as the current one",
        "",
        f"predict([{{{row}}}])",
        "```",
        "",
        "The columns of a row:",
        "",
        "| column | holds |",
        "| --- | --- |",
        *(f"| {_cell(name)} | {_holds(each)} |" for name, each in about["columns"].items()),
        "",
        f"A missing value is an empty field, None or NaN, or one of: {', '.join(about['missing'][1:])}; "
        "among numbers also one of those in `missing_numbers` of `encoders.json`.",
        "Further columns are ignored. A category that training did not have gets the unknown code, with a warning.",
        "Lines of a file without any value are skipped, with a warning.",
    ]
    if any("holds" in each for each in about["columns"].values()):
        lines += [
            "Dates may be written in another usual format if all of a column are; a text that is no date is missing, "
            "with a warning."
        ]
    if model.classes:
        lines += ["", f"The classes: {', '.join(model.classes)}."]
    lines += ["", "Unlike `steepest predict`:", "", *(f"- {each}" for each in _differences(about))]
    return "\n".join([*lines, "", *_network(model, about, form), ""])


def _differences(about: Mapping[str, Any]) -> list[str]:
    """Say what is done otherwise than steepest does; wherever it reads a value, this is an error or the same value."""
    kinds = {name: each["kind"] for name, each in about["columns"].items()}
    found = [
        f"the rows must have the column {_cell(name)}, which is `{sql}`"
        for name, sql in about["derived"].items()
    ]
    found += about["notes"]
    found += [
        "a file must be CSV in UTF-8 whose first line is the header; steepest also reads other encodings, Parquet, "
        "Excel, packed files, and lines above the header"
    ]
    if {"whole", "number"} & set(kinds.values()):
        found += [
            "a number must be written as in training; where training had plain numbers, `1,5`, `2,000.5`, `5 €`, "
            "`(5)` and `−5` are errors; steepest reads them where the column leaves no doubt, and other columns may "
            "decide whether a point separates decimals or thousands"
        ]
    found += [
        f"a text in {_cell(name)} that is no date is an error; steepest counts it as missing"
        for name, kind in kinds.items()
        if kind == "date"
    ]
    return found


def _network(model: TrainedModel, about: Mapping[str, Any], form: str) -> list[str]:
    """Say what the network is called with, for programs in other languages."""
    shape = model.about.shape
    answer = "probabilities [N, classes]" if model.classes else "values [N] in the target's unit"
    if form == "onnx":
        inputs = [
            f"`{name}` ({kind} [N, {count}])"
            for name, kind, count in (
                ("categorical", "int64", len(shape.cardinalities)),
                ("continuous", "float32", len(shape.continuous)),
            )
            if count
        ]
        said = f"`model.onnx` takes {' and '.join(inputs)} and returns float64 {answer}."
    else:
        said = (
            "`model.py` has the network, `weights.safetensors` its state dict. It is called with codes "
            f"(int64 [N, {len(shape.cardinalities)}]) and standard scores (float32 [N, {len(shape.continuous)}]); "
            f"`answers` in `predict.py` makes {answer} of what it returns."
            + (
                " In front of it, `number_columns.py` encodes the scores."
                if model.pipeline.shape.numbers
                else ""
            )
        )
    return [
        "## The network alone",
        "",
        said,
        "",
        "`encoders.json` says how the inputs are made, and `encoding.py` makes them: a category becomes its code "
        "(0 if unknown), a number `(value - shift - mean) / sd` (0 if missing); after all numbers follow the "
        "indicators of those that were missing in training, 1 where the value is missing.",
        "",
        *(f"- categorical {i}: {_cell(each['name'])}" for i, each in enumerate(about["categorical"])),
        *(f"- continuous {i}: {_cell(name)}" for i, name in enumerate(shape.continuous)),
    ]


def _holds(about: Mapping[str, Any]) -> str:
    form = about.get("format")
    if form is not None:
        return f"date, as `{form}`"
    written = f", as {about['written']}" if about.get("pattern") else ""
    return _KINDS[about["kind"]] + written + (f", in the zone {about['zone']}" if about["zone"] else "")


def _example(name: str, about: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Return a value of a column that training could have had; None where that would take its steps backwards."""
    form = about.get("format")
    centres = {each["name"]: each["mean"] + each["shift"] for each in known["continuous"]}
    if form is not None or about["kind"] == "date":
        moment = datetime(2024, 1, 31, 22, 5)
        if name in centres and about["holds"] != "times":  # days since 1970
            moment = datetime(1970, 1, 1, 22, 5) + timedelta(days=round(centres[name]))
        elif f"{name} year" in centres:
            moment = moment.replace(year=round(centres[f"{name} year"]))
        if about["holds"] == "times":
            return f"{moment:%H:%M}"
        return written(moment, form or ("%Y-%m-%d %H:%M" + "%#z" * bool(about["zone"])), about["zone"])
    if about["kind"] == "truth":
        return True
    if about.get("unit") == "%":
        return f"{round(centres[name])} %" if name in centres else about["written"]
    if about["kind"] in ("whole", "number"):
        return round(centres[name]) if name in centres else 1
    return next(
        (next(iter(each["codes"]), None) for each in known["categorical"] if each["name"] == name), None
    )


def _cell(name: str) -> str:
    return name.replace("|", "\\|")
