"""A study as a worksheet for a class: what to guess, what to run, blanks for the numbers, and apart the answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from steepest.compare.studied import Studied
from steepest.errors import unknown_name
from steepest.files import write_atomically
from steepest.record.store import command
from steepest.studies.base import registry
from steepest.studies.base.figure_questions import figure_questions
from steepest.studies.base.making import make_study
from steepest.studies.base.sheet import BLANK, Sheet, suffix_of
from steepest.studies.base.stored import KnownAnswer, known_answer
from steepest.studies.base.study import SIZES, Size, Study

ANSWERS = "-answers"
"""What stands behind the name of the file of the answers."""
_FIELD = re.compile(r"\{[^{}]*\}")


class Worksheet(NamedTuple):
    """A worksheet and its answers.

    Attributes:
        questions, answers: the two sheets.
        origin: where the numbers of the answers are from; empty where there are none.
    """

    questions: Sheet
    answers: Sheet
    origin: str


def worksheet(made: Study, size: Size, known: KnownAnswer | None, name: str = "") -> Worksheet:
    """Return a study as a worksheet, from its question, headlines, published numbers, checks and figures.

    Args:
        made: the study.
        size: of it.
        known: its answer; without one the sheet has no tables and no questions on figures.
        name: of the study, or a reference to it; its own where empty.

    Example:
        >>> from steepest.studies.dropout import DropoutStudy
        >>> sheet = worksheet(DropoutStudy(), "quick", None)
        >>> [each.lines[0] for each in sheet.questions.blocks if each.kind == "heading"]
        ['1 Guess before you run', '2 Run', '3 Conclude']
    """
    studied = None if known is None else known.studied
    questions = _questions(made, size, studied, name or made.name)
    answers = Sheet(f"Answers: {made.question}")
    if known is None:
        answers.add(
            "text",
            "No answer comes with this study; run it, and write the worksheet again with --out FOLDER.",
        )
        return Worksheet(questions, answers, "")
    if known.studied.size != size:
        answers.add(
            "text",
            f"These are numbers of the {known.studied.size} size; those of the {size} size differ from them.",
        )
    _answer(answers, made, known)
    return Worksheet(questions, answers, known.origin)


def write_worksheet(
    name: str, path: str | Path, size: str = "default", folder: str | Path | None = None
) -> tuple[Path, Path, str]:
    """Write a study as a worksheet, and its answers into a second file beside it.

    Args:
        name: of the study, or a reference to a class of one's own, such as ``mine.py:Widths``.
        path: of the worksheet, which ends with ``.md`` or ``.html``; the answers have ``-answers`` behind its name.
        size: ``quick``, ``default`` or ``full``.
        folder: of the finished study whose numbers are the answers (default: that of ``steepest study``, else the
            answer that comes with the package).

    Returns:
        the paths of both files, and where the numbers of the answers are from; empty where there are none.

    Raises:
        UnknownNameError: there is no such study or size.
        OptionError: the path ends otherwise.
        FolderError: the folder holds no finished study of this name and size, or a file cannot be written.
    """
    if size not in SIZES:
        raise unknown_name("size of a study", size, SIZES)
    known_size: Size = size  # pyright: ignore[reportAssignmentType]
    file, suffix = Path(path), suffix_of(path)
    made = make_study(name)
    sheets = worksheet(made, known_size, known_answer(made, known_size, folder), name)
    apart = file.with_name(f"{file.stem}{ANSWERS}{file.suffix}")
    write_atomically(file, sheets.questions.text(suffix))
    write_atomically(apart, sheets.answers.text(suffix))
    return file, apart, sheets.origin


def _questions(made: Study, size: Size, studied: Studied | None, name: str) -> Sheet:
    sheet = Sheet(made.question)
    sheet.add("text", f"Name: {BLANK * 3}   Date: {BLANK}")
    on = "" if studied is None else f" Data: {studied.data}."
    sheet.add("text", f"The study {made.name} of steepest, size {size}.{on} Published: {made.source}.")
    number = iter(range(1, 99))

    sheet.add("heading", f"{next(number)} Guess before you run")
    choices = list(map(blanked, made.headlines.values()))
    several = (
        "Which of these sentences will the numbers support? Tick one, and guess what belongs in its blanks."
    )
    sheet.add("text", several if len(choices) > 1 else "Guess what belongs in the blanks.")
    sheet.add("items", *(f"☐ {each}" for each in choices))
    beside = [] if studied is None else studied.beside
    sheet.add_table(
        ("of", "published", "your guess"), [(each.what, each.published, BLANK) for each in beside]
    )

    sheet.add("heading", f"{next(number)} Run")
    flags = () if size == "default" else (f"--{size}",)
    sheet.add("command", command("study", name, *flags, "--open"))
    if name in registry.names():
        sheet.add(
            "text", f"It takes at most {registry.entry(name).more['minutes'][size]:g} minutes on two cores."
        )

    if studied is not None:
        _blanks(sheet, studied, number.__next__)
    sheet.add("heading", f"{next(number)} Conclude")
    conclusions = [
        f"Answer the question in one sentence, with a number and its interval: {BLANK * 8}",
        f"Was your guess right? What do you not expect any more? {BLANK * 8}",
        f"Which differences has this study not told apart, and what would it take to do so? {BLANK * 8}",
    ]
    sheet.add("numbered", *conclusions, *made.tasks)
    if name in registry.names():
        sheet.add("text", "The same question of data of your own:")
        sheet.add("command", f"steepest {registry.entry(name).more['yours']}")
    return sheet


def _blanks(sheet: Sheet, studied: Studied, number: Callable[[], int]) -> None:
    """Add tables with blanks for what is measured, the checks, and questions on the figures."""
    if studied.rows or studied.beside:
        sheet.add("heading", f"{number()} Write down what was measured")
    sheet.add_table(
        ("arm", *studied.columns), [(row.name, *[BLANK] * len(row.cells)) for row in studied.rows]
    )
    sheet.add_table(
        ("of", "published", "measured", "do they agree? if not, why?"),
        [(each.what, each.published, BLANK, BLANK) for each in studied.beside],
    )
    if studied.checks:
        sheet.add("heading", f"{number()} Check")
        sheet.add(
            "items", *(f"☐ holds ☐ does not hold: {each.what}. Number: {BLANK}" for each in studied.checks)
        )
    asked = [(drawing, figure_questions(drawing)) for drawing in studied.drawings]
    if any(some for _, some in asked):
        sheet.add("heading", f"{number()} Look at the figures of the report")
    for drawing, some in asked:
        if some:
            sheet.add("text", f"“{drawing.title}”:")
            sheet.add("numbered", *(f"{each.question} {BLANK * 4}" for each in some))


def _answer(sheet: Sheet, made: Study, known: KnownAnswer) -> None:
    """Add the answers, from the numbers of the study."""
    studied = known.studied
    sheet.add("text", f"The study {made.name} of steepest; numbers of {known.origin}, on {studied.data}.")
    sheet.add("text", studied.answer)
    if (choice := chosen(studied.answer, list(made.headlines.values()))) is not None:
        sheet.add("text", f"Of the sentences to tick it is number {choice + 1}.")
    sheet.add_table(("arm", *studied.columns), [(row.name, *row.cells) for row in studied.rows])
    reasons = any(each.reason for each in studied.beside)
    sheet.add_table(
        ("of", "published", "measured", *(["reason"] if reasons else [])),
        [
            (each.what, each.published, each.measured, *([each.reason] if reasons else []))
            for each in studied.beside
        ],
    )
    sheet.add(
        "items",
        *(
            f"{'Holds' if each.passed else 'Does not hold'}: {each.what}: {each.found}."
            for each in studied.checks
        ),
    )
    for drawing in studied.drawings:
        if some := figure_questions(drawing):
            sheet.add("text", f"“{drawing.title}”:")
            sheet.add("numbered", *(each.answer for each in some))
    sheet.add("text", *studied.notes)


def blanked(headline: str) -> str:
    """Return a headline with blanks in the place of its fields.

    Example:
        >>> blanked("It does, by {gap}.")
        'It does, by ______.'
    """
    return _FIELD.sub(BLANK, headline)


def chosen(answer: str, headlines: Sequence[str]) -> int | None:
    """Return which headline an answer was filled into, counted from 0; None where none fits.

    Example:
        >>> chosen("Worse, by 2 points.", ["Better, by {gap}.", "Worse, by {gap}."])
        1
    """
    for place, headline in enumerate(headlines):
        fixed = [re.escape(each) for each in _FIELD.split(headline)]
        if re.fullmatch(".*".join(fixed), answer, flags=re.DOTALL):
            return place
    return None
