"""Suites: an optimizer on several data sets, beside stored results of others that need not be computed again.

A suite is one file of this package: the data sets with their settings, the optimizers whose results it stores, and a
version. :func:`suite` trains what is not stored, or goes on with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steepest.suites.base import registry

if TYPE_CHECKING:
    from steepest.suites.base.making import SuitePlan, plan_suite, suite
    from steepest.suites.base.result import SuiteResult
    from steepest.suites.base.suite import Suite, SuiteSet

__all__ = ["Suite", "SuitePlan", "SuiteResult", "SuiteSet", "plan_suite", "registry", "suite"]

_WHERE = {
    "Suite": "suite",
    "SuiteSet": "suite",
    "SuitePlan": "making",
    "SuiteResult": "result",
    "plan_suite": "making",
    "suite": "making",
}


def __getattr__(name: str) -> Any:  # what trains is slow to import
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"steepest.suites.base.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
