"""Studies: named experiments that ask one question and are compared with published ones.

A study is one file of this package. It says which arms are compared on which data, the checks of the result,
and which sentence the measured differences support. :func:`study` makes its comparison, or goes on with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steepest.studies.base import registry

if TYPE_CHECKING:
    from steepest.studies.base.making import StudyResult, plan_study, study
    from steepest.studies.base.notebook import write_notebook
    from steepest.studies.base.study import SIZES, Study
    from steepest.studies.base.worksheet import write_worksheet

__all__ = [
    "SIZES",
    "Study",
    "StudyResult",
    "plan_study",
    "registry",
    "study",
    "write_notebook",
    "write_worksheet",
]

_WHERE = {
    "SIZES": "study",
    "Study": "study",
    "StudyResult": "making",
    "plan_study": "making",
    "study": "making",
    "write_notebook": "notebook",
    "write_worksheet": "worksheet",
}


def __getattr__(name: str) -> Any:  # what trains is slow to import
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"steepest.studies.base.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
