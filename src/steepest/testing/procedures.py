"""The suite for whoever writes a procedure, to subclass in a test file."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steepest.errors import SteepestError
from steepest.procedures import POINTS, Procedure, make_procedure


class ProcedureConformance:
    """The suite for a procedure of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        procedures: its specifications, between them with every option.
        refused: specifications of it with values that it should refuse.

    Example:
        >>> class TestMine(ProcedureConformance):
        ...     procedures = ("continue", "continue(0.1, point=last)")
        ...     refused = ("continue(2.0)",)
        >>> TestMine().test_is_as_long_as_its_control()
    """

    procedures: Sequence[str] = ()
    refused: Sequence[str] = ()

    def _made(self) -> list[Procedure]:
        return [make_procedure(each) for each in self.procedures]

    def test_is_as_long_as_its_control(self) -> None:
        """Its shares sum to those of its control, which is registered and is its own control."""
        for made in self._made():
            control = make_procedure(made.control)
            assert control.control == made.control, f"{made.control} is no control"
            lengths = [sum(stage.share for stage in each.stages) for each in (made, control)]
            assert math.isclose(*lengths), f"{made.title} and {made.control} have the lengths {lengths}"

    def test_is_a_chain(self) -> None:
        """The first stage starts from new weights, every other from a point of the one before."""
        for made in self._made():
            first, *later = made.stages
            assert first.start is None, f"the first stage of {made.title} starts from {first.start}"
            assert all(each.start in POINTS for each in later), f"{made.title}: {made.stages}"

    def test_is_what_its_text_says(self) -> None:
        """What is written down of it makes the same stages again, however it was written."""
        for made in self._made():
            for text in (made.text, made.title):
                assert make_procedure(text) == made, f"{text} is not {made}"

    def test_refuses(self) -> None:
        """Values out of range are errors that carry a hint."""
        for text in self.refused:
            try:
                make_procedure(text)
            except SteepestError:
                continue
            raise AssertionError(f"{text} is not refused")
