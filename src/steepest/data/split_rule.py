"""What ``--split`` says: how rows are chosen for the parts, and for how many test sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steepest.data.names import plain
from steepest.errors import NotAllowedError

Kind = Literal["auto", "random", "stratified", "group", "time", "last", "none"]
_PLAIN: tuple[Kind, ...] = ("auto", "random", "stratified")
_BY_COLUMN: tuple[Kind, ...] = ("group", "time")
_USUAL = {"folds": 5, "repeats": 10}
_KNOWN = "auto, none, random, stratified, group:COLUMN, time:COLUMN, folds:NUMBER, repeats:NUMBER, user:last"


NOTHING: Kind = "none"
"""The rule that holds nothing out."""

REFIT, REFIT_ALL = "refit", "refit-all"
"""Rules that train on the rows on which another rule trains and chooses; the second also on its test rows."""

BY_TIME: tuple[Kind, ...] = ("time", "last")
"""The rules by which the latest rows are the test rows; nothing is drawn."""

LAST = "user:last"
"""How the rule is written that holds out the latest ratings of each user."""


@dataclass(frozen=True)
class SplitRule:
    """How the rows of a table are split.

    Attributes:
        kind: how rows are chosen; with ``none`` nothing is held out, and results are on the training rows; with
            ``last`` the latest ratings of each user are.
        column: the column of ``group`` and ``time``, else empty.
        several: ``folds`` (each row is a test row once) or ``repeats`` (a new split each time); empty for one split.
        sets: number of test sets.
        refits: the rule whose training and validation rows all train, so that nothing is held out; None if none is.
        tested_too: whether its test rows train, too; else they are left out.
    """

    kind: Kind = "auto"
    column: str = ""
    several: Literal["", "folds", "repeats"] = ""
    sets: int = 1
    refits: SplitRule | None = None
    tested_too: bool = False

    @classmethod
    def parse(cls, text: str) -> SplitRule:
        """Return the rule that a text means: ``KIND``, ``folds:NUMBER[,KIND]`` or ``repeats:NUMBER[,KIND]``.

        Raises:
            ValueError: it is no such text; a ``NotAllowedError`` where there is one cure.

        Example:
            >>> SplitRule.parse("folds:5,group:patient")
            SplitRule(kind='group', column='patient', several='folds', sets=5, refits=None, tested_too=False)
            >>> str(SplitRule.parse("repeats:10,auto")), str(SplitRule.parse("time:day"))
            ('repeats:10', 'time:day')
            >>> SplitRule.parse("refit:time:day").refits
            SplitRule(kind='time', column='day', several='', sets=1, refits=None, tested_too=False)
        """
        several, colon, rest = text.partition(":")
        if colon and several in (REFIT, REFIT_ALL):
            inner = cls.parse(rest)
            if not inner.held_out:
                raise NotAllowedError(
                    f"{text!r} has no rows to add: {rest} holds none out", hint=f"write --split {NOTHING}."
                )
            return cls(NOTHING, inner.column, refits=inner, tested_too=several == REFIT_ALL)
        if colon and (several == "folds" or several == "repeats"):
            number, comma, kind = rest.partition(",")
            if not number.strip().isdecimal():
                raise NotAllowedError(
                    f"{text!r} has no number after {several}:",
                    hint=f"give a whole number from 2, such as --split {several}:{_USUAL[several]}.",
                )
            one = cls._one(text, kind.strip() if comma else "auto")
            if int(number) < 2:
                raise NotAllowedError(
                    f"{text!r} has fewer than 2 {several}",
                    hint=f"give at least 2, such as --split {several}:{_USUAL[several]}; "
                    f"--split {one} has one test set.",
                )
            return cls(one.kind, one.column, several, int(number))
        return cls(NOTHING) if text == NOTHING else cls._one(text, text)

    @property
    def held_out(self) -> bool:
        """Whether there are rows for validation and test."""
        return self.kind != NOTHING

    @classmethod
    def _one(cls, text: str, rule: str) -> SplitRule:
        if rule == LAST:
            return cls("last")
        name, colon, column = rule.partition(":")
        for kind in _PLAIN:
            if rule == kind:
                return cls(kind)
        for kind in _BY_COLUMN:
            if name == kind and colon and column:
                return cls(kind, plain(column))
        raise ValueError(f"{text!r} is none of {_KNOWN}")

    @property
    def groups(self) -> str:
        """The column whose groups are in one part each; empty if none is."""
        rule = self.refits or self
        return rule.column if rule.kind == "group" else ""

    def __str__(self) -> str:
        if self.refits is not None:
            return f"{REFIT_ALL if self.tested_too else REFIT}:{self.refits}"
        rule = f"{self.kind}:{self.column}" if self.column else LAST if self.kind == "last" else self.kind
        if not self.several:
            return rule
        return f"{self.several}:{self.sets}" + ("" if rule == "auto" else f",{rule}")
