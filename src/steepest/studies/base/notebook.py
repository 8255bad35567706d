"""A study as a notebook that can be run: its question, its plan, its result, and its answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from steepest.files import write_atomically
from steepest.studies.base.study import Size, Study


def notebook(made: Study, size: Size, out: str | None = None, name: str = "") -> dict[str, Any]:
    """Return a study as the content of an ``.ipynb`` file of format 4.5, ready for JSON.

    Args:
        made: the study.
        size: of it.
        out: the folder of the results; None for the default one.
        name: of the study, or a reference to it; its own where empty.

    Example:
        >>> from steepest.studies.memorisation import Memorisation
        >>> made = notebook(Memorisation(), "quick")
        >>> [cell["cell_type"] for cell in made["cells"]]
        ['markdown', 'code', 'code', 'markdown', 'code', 'code', 'code']
        >>> made["cells"][2]["source"]
        'result = planned.run()'
    """
    where = "" if out is None else f"{out!r}"
    cells = [
        _text(
            f"# {made.question}\n\nThe study `{made.name}` of steepest, size {size}. Published: {made.source}."
        ),
        _code(
            "import steepest as st\nfrom steepest.studies import plan_study\n\n"
            f"planned = plan_study({(name or made.name)!r}, {size!r})\nprint(planned)"
        ),
        _code(f"result = planned.run({where})"),
        _text("The arms, published beside measured numbers, the checks, and the answer:"),
        _code("result"),
        *([_code("result.result.arms")] if type(made).comparisons is not Study.comparisons else []),
        _code("print(result.report)"),
    ]
    for place, each in enumerate(cells):
        each["id"] = f"cell-{place}"
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write_notebook(made: Study, size: Size, path: str | Path, out: str | None = None, name: str = "") -> Path:
    """Write a study as a notebook and return its path.

    Raises:
        FolderError: it cannot be written.
    """
    write_atomically(path, json.dumps(notebook(made, size, out, name), indent=1, ensure_ascii=False) + "\n")
    return Path(path)


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
