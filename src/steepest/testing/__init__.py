"""Conformance suites for whoever writes a rule, an optimizer, a method, a loss or a procedure.

They are those of this project. In a test file of yours, five lines run every check that applies::

    from steepest.testing import RuleConformance

    class TestMyRule(RuleConformance):
        rules = ("mine.py:MyRule", "mine.py:MyRule(momentum=0.9)")
        textbook = staticmethod(my_rule_in_plain_floats)

:class:`MethodConformance` is the one for a method that is no rule, :class:`ObjectiveConformance` for a
training loss, :class:`ProcedureConformance` for a procedure.
"""

from __future__ import annotations

from steepest.testing.methods import MethodConformance
from steepest.testing.objectives import ObjectiveConformance
from steepest.testing.optimizers import OptimizerConformance
from steepest.testing.procedures import ProcedureConformance
from steepest.testing.suite import RuleConformance

__all__ = [
    "MethodConformance",
    "ObjectiveConformance",
    "OptimizerConformance",
    "ProcedureConformance",
    "RuleConformance",
]
