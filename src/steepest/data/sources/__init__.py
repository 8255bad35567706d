"""Kinds of data: one source a file, which opens a path or an object and makes datasets of it."""

from __future__ import annotations

from steepest.components.registry import Registry

registry = Registry("source", "steepest.data.sources")
