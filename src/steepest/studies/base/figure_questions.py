"""Questions on a figure of a study, with answers from its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from steepest.compare.studied import Drawing, FigureLine, FigureSurface


class FigureQuestion(NamedTuple):
    """A question on a figure.

    Attributes:
        question, answer: sentences.
    """

    question: str
    answer: str


def figure_questions(drawing: Drawing) -> list[FigureQuestion]:
    """Return questions on a figure that its numbers answer.

    Example:
        >>> lines = [FigureLine(name="a", x=[1, 2], y=[3, 1]), FigureLine(name="b", x=[1, 2], y=[1, 2])]
        >>> [found] = figure_questions(Drawing(title="Loss", x="epoch", y="loss", lines=lines))
        >>> found.question
        'Which line is highest at its right end, and which lowest? Read off “loss”.'
        >>> found.answer
        'Highest is b with 2, lowest a with 1.'
    """
    return [*_on_axes(drawing), *_on_lines(drawing), *_on_surface(drawing.surface)]


def _on_axes(drawing: Drawing) -> Iterator[FigureQuestion]:
    axes = [
        name
        for name, logarithmic in ((drawing.x, drawing.logarithmic), (drawing.y, drawing.logarithmic_y))
        if logarithmic
    ]
    if axes:
        yield FigureQuestion(
            f"What do equal distances along “{' and “'.join(f'{each}”' for each in axes)} mean?",
            "Equal factors: the axis is logarithmic."
            if len(axes) == 1
            else "Equal factors: both axes are logarithmic.",
        )


def _on_lines(drawing: Drawing) -> Iterator[FigureQuestion]:
    lines = [_rising(each) for each in drawing.lines if len(each.x) > 1 and each.joined and _is_curve(each)]
    if len(lines) > 1:
        low, *_, high = sorted(lines, key=lambda line: line.y[-1])
        yield FigureQuestion(
            f"Which line is highest at its right end, and which lowest? Read off “{drawing.y}”.",
            f"Highest is {high.name} with {_number(high.y[-1])}, lowest {low.name} with {_number(low.y[-1])}.",
        )
        if low.low and high.low and low.x[-1] == high.x[-1]:
            apart = low.high[-1] < high.low[-1]
            yield FigureQuestion(
                "Each of these two has an interval there. Do the two intervals tell whether the arms differ?",
                f"No. {_interval(low)} and {_interval(high)} {'do not overlap' if apart else 'overlap'}, but overlap "
                "of two arms' intervals decides nothing: arms share seeds, and the interval of their paired difference "
                "decides, which the sentence and the table of published and measured numbers give.",
            )
    for line in lines:
        inner = [place for place in range(1, len(line.x) - 1) if line.y[place] == min(line.y)]
        if inner and line.y[inner[0]] < min(line.y[0], line.y[-1]):
            yield FigureQuestion(
                f"Where along “{drawing.x}” is {line.name} lowest, and how low?",
                f"At {_number(line.x[inner[0]])}: {_number(line.y[inner[0]])}.",
            )
            break


def _is_curve(line: FigureLine) -> bool:
    return line.x in (sorted(line.x), sorted(line.x, reverse=True))


def _rising(line: FigureLine) -> FigureLine:
    """Return a curve whose last point is the one on the right."""
    if line.x[0] <= line.x[-1]:
        return line
    return line.model_copy(update={each: getattr(line, each)[::-1] for each in ("x", "y", "low", "high")})


def _on_surface(surface: FigureSurface | None) -> Iterator[FigureQuestion]:
    if surface is None or surface.pixels:
        return
    z, x, y = min(
        (z, x, y)
        for y, row in zip(surface.y, surface.z, strict=True)
        for x, z in zip(surface.x, row, strict=True)
    )
    yield FigureQuestion(
        f"About where is the {surface.name} of the surface lowest?",
        f"Near ({_number(x)}, {_number(y)}), where it is {_number(z)} on the grid that is drawn.",
    )


def _interval(line: FigureLine) -> str:
    return f"{line.name} [{_number(line.low[-1])}, {_number(line.high[-1])}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")
