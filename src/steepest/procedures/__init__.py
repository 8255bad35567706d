"""Procedures: how a training consists of several runs, such as ``continue(0.5)``.

A procedure is a chain of stages. Each stage is one run; it has a share of the length of the whole, and all but the
first start from weights of the stage before, or are pruned by them. The shares sum to 1, so that a procedure costs as
many steps as its control, which is one plain run: ``train``; or to another length, which its control has, too.
"""

from __future__ import annotations

from steepest.procedures.procedure import POINTS, Point, Procedure, Stage, make_procedure, registry

__all__ = ["POINTS", "Point", "Procedure", "Stage", "make_procedure", "registry"]
