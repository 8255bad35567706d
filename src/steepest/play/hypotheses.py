"""Hypotheses that are written down before a run, and what came of them: a list in one file."""

from __future__ import annotations

import itertools
import json
import math
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steepest.errors import FolderError, OptionError
from steepest.files import write_with_folder
from steepest.play.descent import Setting, descend

FILE = "hypotheses.json"
FORMAT = 1
MOST_LETTERS = 500

End = Literal["reaches the target", "falls, but stays above the target", "ends no lower than it began"]
ENDS: tuple[End, ...] = (
    "reaches the target", "falls, but stays above the target", "ends no lower than it began",
)  # fmt: skip
"""How a run can end; exactly one of them holds."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Outcome(_Stored):
    """What came of a run.

    Attributes:
        end: how it ended.
        first, last: the loss at the start and after the last step; infinite where it is no number.
        reached: the first step after which the loss is at most the target; None if it never is.
        rises: after how many steps the loss is higher than before.
    """

    end: End
    first: float
    last: float
    reached: int | None
    rises: int


class Hypothesis(_Stored):
    """A hypothesis, written down before its run.

    Attributes:
        number: counted from 1.
        written: when, as a time in UTC.
        setting: what it is about; that is what is run.
        text: the hypothesis in the writer's words.
        expected: how the run will end.
        target: the loss that is to be reached.
        ran: when it was run; empty before.
        outcome: what came of it; None before.
    """

    number: int
    written: str
    setting: Setting
    text: str = Field(min_length=1, max_length=MOST_LETTERS)
    expected: End
    target: float
    ran: str = ""
    outcome: Outcome | None = None

    @property
    def was_right(self) -> bool | None:
        """Whether the run ended as expected; None before it."""
        return None if self.outcome is None else self.outcome.end == self.expected


class _File(_Stored):
    format: Literal[1] = FORMAT
    hypotheses: list[Hypothesis] = Field(default_factory=list[Hypothesis])


def judged(losses: list[float], target: float) -> Outcome:
    """Return what came of a run with these losses.

    Args:
        losses: at the start and after each step.
        target: the loss that is to be reached at the end.

    Example:
        >>> judged([4.0, 1.0, 2.0], target=1.5)
        Outcome(end='falls, but stays above the target', first=4.0, last=2.0, reached=1, rises=1)
    """
    first, last = losses[0], losses[-1]
    end = ENDS[0] if last <= target else ENDS[1] if last < first else ENDS[2]
    reached = next((step for step, loss in enumerate(losses) if loss <= target), None)
    rises = sum(after > before for before, after in itertools.pairwise(losses))
    return Outcome(end=end, first=first, last=last, reached=reached, rises=rises)


class Hypotheses:
    """The list in a folder.

    Args:
        folder: the folder; it is made when something is written down.
    """

    _lock = threading.Lock()  # of all pages, which are threads of one process

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> list[Hypothesis]:
        """Return all hypotheses, the oldest first.

        Raises:
            FolderError: the file cannot be read.
        """
        if not self.path.exists():
            return []
        try:
            return _File.model_validate(json.loads(self.path.read_text(encoding="utf-8"))).hypotheses
        except (OSError, ValueError, ValidationError) as error:
            raise FolderError(
                f"{str(self.path)!r} cannot be read: {str(error).splitlines()[0]}",
                hint="it was edited or damaged; mend it, or move it away to begin a new list.",
            ) from None

    def write_down(self, setting: Setting, text: str, expected: str, target: float) -> Hypothesis:
        """Add a hypothesis about a run that was not made yet, and return it.

        Raises:
            OptionError: nothing or too much is written, nothing is expected, or the target is no number.
            FolderError: the file cannot be read or written.
        """
        words = " ".join(text.split())
        if not 0 < len(words) <= MOST_LETTERS:
            raise OptionError(
                "no hypothesis is written" if not words else f"the hypothesis has {len(words)} letters",
                hint=f"write what you think will happen and why, in at most {MOST_LETTERS} letters.",
            )
        found: End | None = next((each for each in ENDS if each == expected), None)
        if found is None:
            raise OptionError("no end is chosen", hint="choose how you think that the run ends.")
        if not math.isfinite(target):
            raise OptionError(
                f"the target is {target}", hint="give the loss that is to be reached, such as 0.01."
            )
        with self._lock:
            known = self.read()
            added = Hypothesis(
                number=len(known) + 1,
                written=_now(),
                setting=setting,
                text=words,
                expected=found,
                target=target,
            )
            self._write([*known, added])
        return added

    def run(self, number: int) -> Hypothesis:
        """Run what a hypothesis is about, once; add what came of it, and return it.

        Raises:
            OptionError: there is no such hypothesis.
            SteepestError: it cannot be run.
        """
        wanted = next((each for each in self.read() if each.number == number), None)
        if wanted is None:
            raise OptionError(f"there is no hypothesis {number}", hint="write one down first.")
        if wanted.outcome is not None:
            return wanted
        outcome = judged(descend(wanted.setting).losses, wanted.target)
        done = wanted.model_copy(update={"ran": _now(), "outcome": outcome})
        with self._lock:
            self._write([done if each.number == number else each for each in self.read()])
        return done

    def _write(self, hypotheses: list[Hypothesis]) -> None:
        stored = _File(hypotheses=hypotheses).model_dump(mode="json")
        write_with_folder(self.path, json.dumps(stored, indent=1, ensure_ascii=False) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
