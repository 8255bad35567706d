"""Conformance suites for optimizers, models, losses, procedures, regularizers, callbacks, planners and more.

They are those of this project. In a test file of yours, five lines run every check that applies::

    from steepest.testing import RuleConformance

    class TestMyRule(RuleConformance):
        rules = ("mine.py:MyRule", "mine.py:MyRule(momentum=0.9)")
        textbook = staticmethod(my_rule_in_plain_floats)

:class:`MethodConformance` is the one for a method that is no rule, :class:`ModelConformance` for a model,
:class:`ObjectiveConformance` for a training loss, :class:`ProcedureConformance` for a procedure,
:class:`RegularizerConformance` for a regularizer, :class:`CallbackConformance` for a callback,
:class:`PlannerConformance` for a planner, :class:`SourceConformance` for a source of data,
:class:`TrackerConformance` for a tracker.
"""

from __future__ import annotations

from steepest.testing.callbacks import CallbackConformance
from steepest.testing.methods import MethodConformance
from steepest.testing.models import ModelConformance
from steepest.testing.objectives import ObjectiveConformance
from steepest.testing.optimizers import OptimizerConformance
from steepest.testing.planners import PlannerConformance
from steepest.testing.procedures import ProcedureConformance
from steepest.testing.regularizers import RegularizerConformance
from steepest.testing.sources import SourceConformance
from steepest.testing.suite import RuleConformance
from steepest.testing.trackers import TrackerConformance

__all__ = [
    "CallbackConformance",
    "MethodConformance",
    "ModelConformance",
    "ObjectiveConformance",
    "OptimizerConformance",
    "PlannerConformance",
    "ProcedureConformance",
    "RegularizerConformance",
    "RuleConformance",
    "SourceConformance",
    "TrackerConformance",
]
