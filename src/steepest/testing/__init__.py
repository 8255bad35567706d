"""Conformance suites for whoever writes a rule, in the form that this project's own tests use."""

from __future__ import annotations

from steepest.testing.rules import RuleConformance

__all__ = ["RuleConformance"]
