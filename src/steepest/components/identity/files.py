"""The user's files that code imports from other folders than its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import machinery, util
from pathlib import Path

from steepest.components.references import imported_by, is_installed, modules_of


def elsewhere_from(modules: Mapping[str, Path]) -> dict[str, Path]:
    """Return the user's files that modules import from other folders, directly or not, by their paths there.

    Such as those of a package that is installed for editing, or that a file on ``PYTHONPATH`` holds.

    Args:
        modules: the files that import, with those beside them, by the names of their modules.
    """
    found: dict[str, Path] = {}
    seen: set[str] = set()
    queue = list(modules.items())
    while queue:
        name, file = queue.pop()
        for each in imported_by(file, name):
            top = each.partition(".")[0]
            if each in seen or top in sys.stdlib_module_names or each in modules or top in modules:
                continue
            seen.add(each)
            for path, root in _files_of(each):
                there = modules_of(path, root)
                for inner in there.values():
                    key = inner.relative_to(root).as_posix()
                    if key not in found:
                        found[key] = inner
                        queue += [(n, f) for n, f in there.items() if f == inner]
    return found


def _files_of(name: str) -> Iterator[tuple[Path, Path]]:
    """Yield the files of a module and of the packages that it is in, with the folder of the topmost, if the user's."""
    parts = name.split(".")
    try:
        spec = util.find_spec(parts[0])
    except (ImportError, ValueError):
        return
    if spec is None or is_installed_spec(spec):
        return
    places = [Path(each).resolve().parent for each in spec.submodule_search_locations or ()]
    places += [Path(spec.origin).resolve().parent] if spec.origin and not places else []
    for root in places:
        for count in range(1, len(parts) + 1):
            base = root.joinpath(*parts[:count])
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.is_file():
                    yield path, root


def is_installed_spec(spec: machinery.ModuleSpec) -> bool:
    """Return whether a module is of Python or an installed package."""
    if spec.has_location and spec.origin is not None:
        return is_installed(spec.origin)
    places = list(spec.submodule_search_locations or ())  # a package without a file
    return all(is_installed(each) for each in places) if places else spec.origin is not None
