"""A page as one HTML file: text, numbers, style and script in it, and a policy that lets it load nothing."""

from __future__ import annotations

import functools
import json
from importlib import resources
from pathlib import Path
from typing import Any

from markupsafe import Markup

from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.errors import OptionError
from steepest.files import write_with_folder
from steepest.pages.content import Content, read_content
from steepest.report.html import embedded_json, policy, style, template

registry = Registry("page", "steepest.pages.shown")

SHARED = ("format.js", "plot.js", "page.js")
"""Scripts of every page, in their order; what a view uses besides is in its first line."""
NEEDS = "// needs: "


class Shown:
    """A page that comes with the package; a subclass's docstring says what it shows."""

    def content(self) -> Content:
        """Return what the page is made of; its numbers are computed by the package's own optimizers."""
        raise NotImplementedError


def text(value: float, digits: int = 3) -> str:
    """Return a number as the sentences of a page have it.

    Example:
        >>> text(-1.2321, 4), text(1638.2), text(5.04e-4, 2), text(1e-6)
        ('−1.232', '1640', '5·10⁻⁴', '10⁻⁶')
    """
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        before = f"{float(mantissa):g}·".replace("-", "−") if float(mantissa) != 1 else ""
        return f"{before}10{raised}"
    return f"{float(f'{value:.{digits}g}'):.15g}".replace("-", "−")


@functools.cache
def stored_numbers(name: str) -> Any:
    """Return the numbers that come with a page, from the file ``NAME.json`` beside it (``scripts`` make it)."""
    return json.loads(
        resources.files("steepest.pages.shown").joinpath(f"{name}.json").read_text(encoding="utf-8")
    )


def made_with(name: str) -> str:
    """Return from which study a page's numbers are, on what, and with what they were made."""
    made = stored_numbers(name)["made"]
    return f"From {made['study']}, on {made['data']}: steepest {made['steepest']}, {made['date']} ({made['machine']})."


def make_content(name: str) -> Content:
    """Return a page by its name, by a reference to a class (``mine.py:Rates``), or from a JSON file.

    Raises:
        UnknownNameError: there is no such page.
        FolderError: the file cannot be read.
        OptionError: the file, or the class, is no page.

    Example:
        >>> make_content("one-dimension").title
        'Two minima on a line'
    """
    if is_stored(name):
        return read_content(Path(name))
    if not is_reference(name):
        return registry.load(name)().content()
    made = load_reference(name, registry.kind)
    if not (isinstance(made, type) and issubclass(made, Shown)):
        raise OptionError(f"{name} is no page", hint=f"name a class that derives from {__name__}.Shown.")
    return made().content()


def is_stored(name: str) -> bool:
    """Return whether a page is named by a file of its content."""
    return name.lower().endswith(".json")


def is_reference(name: str) -> bool:
    """Return whether a page is named by a file and a class, such as ``mine.py:Rates``."""
    return ".py:" in name


def file_name(name: str) -> str:
    """Return the name of the file that a page is written to where none is given.

    Raises:
        UnknownNameError: there is no such page.

    Example:
        >>> file_name("one_dimension"), file_name("stored/rates.json"), file_name("mine.py:Rates")
        ('one-dimension.html', 'rates.html', 'rates.html')
    """
    if is_reference(name):
        return f"{name.rpartition(':')[2].lower()}.html"
    return f"{Path(name).stem if is_stored(name) else registry.entry(name).name}.html"


def render(content: Content) -> str:
    """Return the page as one HTML document, which asks nothing of the network.

    Raises:
        OptionError: there is no view of this name.

    Example:
        >>> "connect-src" not in render(make_content("one-dimension"))  # nothing but default-src 'none'
        True
    """
    script = _script(content.view)
    return template("page.html.j2", "steepest.pages").render(
        content=content,
        style=Markup(f"{style()}\n{_own('page.css')}"),
        script=Markup(script),
        policy=policy([script]),
        data=Markup(embedded_json(content.model_dump(mode="json"))),
    )


def write_page(name: str, out: str | Path) -> Path:
    """Write a page and return its path; its folder is created if need be.

    Raises:
        UnknownNameError: there is no such page.
        OptionError: the name ends with ``.json``, and the file is no page.
        FolderError: a file cannot be read or written.
    """
    return write_with_folder(out, render(make_content(name)))


def _script(view: str) -> str:
    """Return the shared scripts, those that the view needs, and the view."""
    own = resources.files("steepest.pages").joinpath("shown", f"{view}.js")
    if view == "grid":
        own = resources.files("steepest.pages").joinpath("templates", "grid.js")
    if not own.is_file():
        raise OptionError(
            f"there is no view {view!r}", hint="grid shows stored runs; other views belong to a page."
        )
    text = own.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    needed = first.removeprefix(NEEDS).split() if first.startswith(NEEDS) else []
    parts = [*(_own(each) for each in (*SHARED, *needed)), text, "steepest.begin();\n"]
    return '"use strict";\n' + "\n".join(parts)


@functools.cache
def _own(name: str) -> str:
    return resources.files("steepest.pages").joinpath("templates", name).read_text(encoding="utf-8")
