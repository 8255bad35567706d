"""Data is opened by the source of its kind, and so is the pipeline of new rows that was stored with a model."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from steepest.components import grammar
from steepest.components.references import file_of, load_reference, not_unasked
from steepest.components.registry import Entry
from steepest.data.catalog import SOURCES, is_name
from steepest.data.described import Described
from steepest.data.options import TableOptions, table_options
from steepest.data.read import check_no_results
from steepest.data.sources import registry
from steepest.data.sources.contract import Source, failed
from steepest.data.sources.rows import Pipeline, read_stored
from steepest.errors import ModelError, OptionError, SteepestError, first_line

TABLE = "table"
"""The source of what no other one declares."""


def open_source(source: Any = None, **options: Any) -> Source:
    """Open data of any kind.

    Args:
        source: a path, or an object in memory such as a frame.
        options: the fields of ``TableOptions``. ``reader`` names the kind of the data; without it, the kind is the one
            that declares one of the given options (``x``), or the path's suffix; otherwise it is a table.

    Raises:
        OptionError: an option does not exist, has a value that is not allowed, or is not one of this kind of data.
        DataError: the source cannot be read.

    Example:
        >>> rows = {"t": [i / 7 for i in range(20)], "v": [i * 0.5 for i in range(20)]}
        >>> open_source(rows, x="t", y="v"), open_source(rows, target="v")
        (Curve('table', v along t), Table('the table', target 'v'))
    """
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(source, str | Path) and not is_name(source):
        check_no_results(Path(source).expanduser())
    spec = grammar.parse(kind_of(source, given))
    if spec.name == TABLE:
        for name in given:
            if any(name in each.more.get("options", ()) for each in registry.entries.values()):
                raise _no_effect(name, TABLE)
        from steepest.data.table import read_table

        return read_table(source, **options)
    if spec.is_reference:
        spec = replace(spec, name=_whole(spec.name))
    given["reader"] = str(spec)
    named = {"source": str(source)} if isinstance(source, str | Path) else {}
    checked = table_options(**{**named, **given})
    made: Any = _class(spec.name)
    own = () if spec.is_reference else registry.entry(spec.name).more.get("options", ())
    for name in given:
        if getattr(checked, name) == TableOptions.model_fields[name].get_default(call_default_factory=True):
            continue  # a folder's file has every option
        if name not in made.uses and name not in ("source", "reader", *own):
            raise _no_effect(name, spec.name)
    try:
        return made(checked.source if source is None else source, checked, *spec.arguments, **spec.options)
    except TypeError as error:
        raise OptionError(
            f"the source {str(spec)!r} cannot be opened: {first_line(error)}",
            hint="give it its options in brackets: mine.py:Arrays(inputs='x').",
        ) from error
    except SteepestError:
        raise
    except Exception as error:
        if not spec.is_reference:
            raise
        raise failed(made.__name__, error) from error


def describe(source: Any = None, **options: Any) -> Described:
    """Return what there is to know of data before training: of a table its columns, of images the counts of classes.

    Args:
        source, options: as for :func:`open_source`.

    Raises:
        OptionError, DataError: as for :func:`open_source`.

    Example:
        >>> rows = {"t": [i / 7 for i in range(20)], "v": [i * 0.5 for i in range(20)]}
        >>> describe(rows, x="t", y="v")
        the table: 20 points, v along t
        x       t, 0 … 2.71429
        y       v, 0 … 9.5
        places  20 different
    """
    return open_source(source, **options).describe()


def _no_effect(option: str, kind: str) -> OptionError:
    return OptionError(
        f"--{option.replace('_', '-')} has no effect on data of the kind {kind}", hint="leave it out."
    )


def _whole(name: str) -> str:
    """Return a reference with the path of its file from the root on, so that it can be found from any folder."""
    where, colon, what = name.rpartition(":")
    return f"{file_of(where).as_posix()}{colon}{what}" if where.endswith(".py") else name


def kind_of(source: Any, given: Mapping[str, Any]) -> str:
    """Return the name of the source that opens data with these options.

    Raises:
        OptionError: a path can be opened by several.
    """
    if "reader" in given:
        return str(given["reader"])
    entries = registry.entries.items()
    by_options = [name for name, entry in entries if set(entry.more.get("options", ())) & given.keys()]
    if is_name(source) and not by_options:
        kind = SOURCES.load(str(source)).kind
        return kind if kind in registry.entries else TABLE
    by_path = [
        name for name, entry in entries if isinstance(source, str | Path) and opens(entry, Path(source))
    ]
    if not by_options and len(by_path) > 1:
        raise OptionError(
            f"{Path(source).name} can be opened as {' or '.join(by_path)}",
            hint=f"say which: --source {by_path[0]}.",
        )
    return next(iter([*by_options, *by_path]), TABLE)


def opens(entry: Entry, path: Path) -> bool:
    """Return whether a source declares that it opens what is at a path.

    It declares ``suffixes`` of files; ``names``, regular expressions; ``folders``, whether it opens them; and
    ``packed``, suffixes of the files in a zip archive.

    Example:
        >>> opens(registry.entry("images"), Path("photos.npz")), opens(registry.entry("images"), Path("churn.csv"))
        (True, False)
    """
    more, path = entry.more, path.expanduser()
    if path.suffix.lower() in more.get("suffixes", ()):
        return True
    if any(re.fullmatch(each, path.name, re.IGNORECASE) for each in more.get("names", ())):
        return True
    if more.get("folders", False) and path.is_dir():
        return True
    if path.suffix.lower() != ".zip" or "packed" not in more or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return False
    return any(Path(each).suffix.lower() in more["packed"] for each in names)


def _class(name: str) -> type[Source]:
    found: Any = load_reference(name) if ":" in name else registry.load(name)
    if not (isinstance(found, type) and issubclass(found, Source)):
        raise OptionError(
            f"{name} is no source",
            hint="name a class that derives from steepest.data.sources.contract.Source.",
        )
    return found


def load_pipeline(path: str | Path, given: str | None = None) -> Pipeline:
    """Read the pipeline of new rows that a model was saved with.

    Args:
        path: the file.
        given: the source of the user's own, where the data was opened by one: a saved model runs no code by itself.

    Raises:
        FolderError: there is no such file, or it is damaged or of another version.
        ModelError: the source of the user's own is needed and is not given, or is given and not needed.
    """

    def made(stored: Mapping[str, Any]) -> Pipeline:
        name = str(stored.get("source", TABLE))
        own = grammar.parse(name).is_reference
        if own and given is None:
            raise not_unasked(f"the data of the model was opened by {name!r}", "source", repr(name))
        if given is not None and not own:
            raise ModelError(
                f"the source {given!r} is given, but the model's is {name}", hint="leave it out."
            )
        return _class(grammar.parse(given or name).name).stored_pipeline(stored)

    return read_stored(path, made)
