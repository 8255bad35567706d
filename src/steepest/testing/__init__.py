"""Conformance suites for whoever writes a rule or an optimizer, the ones that this project runs on its own.

In a test file of yours, five lines run every check that applies::

    from steepest.testing import RuleConformance

    class TestMyRule(RuleConformance):
        rules = ("mine.py:MyRule", "mine.py:MyRule(momentum=0.9)")
        lr = 0.1
"""

from __future__ import annotations

from steepest.testing.optimizers import OptimizerConformance
from steepest.testing.rules import RuleConformance

__all__ = ["OptimizerConformance", "RuleConformance"]
