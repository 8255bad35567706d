"""The graph of an expression as lines of text and as an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from steepest.checking.expression import LEAF, Derivative, ExpressionCheck, Node
from steepest.checking.telling import aligned
from steepest.errors import OptionError
from steepest.files import local

Point = tuple[float, float]
Edge = tuple[str, str, int]
"""An operand, its user, and which of the user's operands it is."""

DIGITS = 10
WIDE, HIGH = 196, 74
ACROSS, DOWN = 300, 104
"""From a box to the next one to its right, and to the one below it, where arrows go to the right."""
BESIDE, BELOW = 236, 128
"""The same where arrows go down."""
MOST_COLUMNS = 5
"""A graph with more steps from a variable to the result goes down, so that it is not wider than a page."""
EDGE = 24.0
TOP = 56
THIN = 0.3
"""Height that an arrow takes between boxes, as a share of a box's."""
INK, FAINT, PAPER = "#1b1f24", "#57606a", "#ffffff"
FORWARD, BACKWARD = "#0a6c74", "#b3412a"
"""Colours of values and of derivatives."""


def lines(check: ExpressionCheck) -> list[str]:
    """Return the check as lines for a terminal: values forward, adjoints backward, and the derivatives compared."""
    at = ", ".join(f"{name} = {value:.15g}" for name, value in check.at.items())
    found = [f"{check.result} = {check.expression} at {at}", ""]
    found += aligned(
        [("forward", "value", "operation in autograd")]
        + [(_assigned(each), f"{each.value:.{DIGITS}g}", each.operation) for each in check.nodes]
    )
    found += [
        "",
        "backward: an adjoint is the sum, over the uses of a node, of adjoint times local derivative",
    ]
    found += aligned([_backward(check, each) for each in reversed(check.nodes)])
    found += ["", f"graph from {check.result}: {check.chain}", ""]
    for each in check.derivatives:
        head = f"d{check.result}/d{each.variable}"
        found += [
            f"{head} = {each.autograd!r} by autograd, {each.by_steps!r} by the steps above,",
            f"{'':{len(head)}}   {each.estimate.value:.{DIGITS + 2}g} by finite differences (error about "
            f"{each.estimate.error:.1g}, tolerance {each.tolerance:.1g})",
            f"{'':{len(head)}}   {_verdict(each)}",
        ]
    return found


def _verdict(derivative: Derivative) -> str:
    """Return what is said of a derivative; one that does not exist is no fault of autograd."""
    if derivative.ok or derivative.cause.startswith("not "):
        return derivative.cause or "agree"
    return f"fault: {derivative.cause}"


def _assigned(node: Node) -> str:
    return f"{node.name} = {node.text}" if node.text else node.name


def _backward(check: ExpressionCheck, node: Node) -> tuple[str, ...]:
    """Return one line: the adjoint in words, in numbers, and its value."""
    z = check.result
    users = [(each, slope) for each in check.nodes for slope in each.slopes if slope.operand == node.name]
    name = f"d{z}/d{node.name}"
    if node is check.nodes[-1]:
        return name, "= 1", "", ""
    words = " + ".join(f"d{z}/d{user.name} * {_factor(slope.formula)}" for user, slope in users)
    numbers = " + ".join(f"{user.adjoint:.6g} * {_factor(f'{slope.value:.6g}')}" for user, slope in users)
    return name, f"= {words}", f"= {numbers}", f"= {node.adjoint:.{DIGITS}g}"


def _factor(text: str) -> str:
    """Return a factor of a product, in brackets where it needs them.

    Example:
        >>> _factor("2 * v4"), _factor("-1"), _factor("1 / v2")
        ('2 * v4', '(-1)', '(1 / v2)')
    """
    return (
        f"({text})" if any(each in text for each in (" + ", " - ", " / ", " if ")) or text[0] == "-" else text
    )


def check_place(path: str | Path) -> None:
    """Raise an ``OptionError`` if no picture can be written to this file, or its folder is not there."""
    path = Path(path)
    if path.suffix not in (".svg", ".html"):
        raise OptionError(
            f"cannot draw to {path.name!r}",
            hint="name a file that ends with .svg for an expression, or .html for a function.",
        )
    if not local(path).parent.is_dir():
        raise OptionError(
            f"there is no folder {str(path.parent)!r}", hint="make it first, or name another --out."
        )


@dataclass(frozen=True)
class _Layout:
    """Where boxes stand and arrows end: columns go to the right, or down where there are many.

    Attributes:
        down: whether they go down.
    """

    down: bool

    def corner(self, column: float, row: float) -> Point:
        """Return the upper left corner of a box, or of where it would be."""
        if self.down:
            return EDGE + BESIDE * row, EDGE + TOP + BELOW * column
        return EDGE + ACROSS * column, EDGE + TOP + DOWN * row

    def end(self, corner: Point, share: float = 0.5) -> Point:
        """Return where an arrow enters a box, at a share of the side that it comes to."""
        x, y = corner
        return (x + WIDE * share, y) if self.down else (x, y + HIGH * share)

    def start(self, corner: Point) -> Point:
        """Return where an arrow leaves a box."""
        x, y = self.end(corner)
        return (x, y + HIGH) if self.down else (x + WIDE, y)

    def curve(self, here: Point, there: Point) -> str:
        """Return a curve that begins and ends in the direction of the columns."""
        (x, y), (x1, y1) = here, there
        if self.down:
            middle = (y + y1) / 2
            return f"C{x:g} {middle:g} {x1:g} {middle:g} {x1:g} {y1:g}"
        middle = (x + x1) / 2
        return f"C{middle:g} {y:g} {middle:g} {y1:g} {x1:g} {y1:g}"

    def label(self, end: Point, text: str) -> str:
        """Return the local derivative beside the end of its arrow."""
        if self.down:
            return _text(end[0] + 6, end[1] - 14, text, BACKWARD, size=12, halo=True, anchor="start")
        return _text(end[0] - (ACROSS - WIDE) / 3, end[1] - 6, text, BACKWARD, size=12, halo=True)


def svg(check: ExpressionCheck) -> str:
    """Return the graph as an SVG picture: variables on the left, the result on the right; of a long one from above.

    Every box has a node, its value and its adjoint; every arrow the local derivative by the operand where it begins.
    """
    layout = _Layout(down=max(_columns(check.nodes).values()) >= MOST_COLUMNS)
    places, through = _places(check.nodes, layout)
    every = [*places.values(), *(each for some in through.values() for each in some)]
    width = max(x for x, _ in every) + WIDE + EDGE
    height = max(y for _, y in every) + HIGH + EDGE
    at = ", ".join(f"{name} = {value:.6g}" for name, value in check.at.items())
    title = f"{check.result} = {check.expression} at {at}"
    width = max(width, 9 * len(title) + 2 * EDGE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{FAINT}"/></marker></defs>',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        _text(EDGE, 26, title, INK, anchor="start", weight=600),
        f'<text x="{EDGE}" y="44" font-size="12"><tspan fill="{FORWARD}">value</tspan><tspan fill="{FAINT}"> forward, '
        f'</tspan><tspan fill="{BACKWARD}">derivative</tspan><tspan fill="{FAINT}"> backward</tspan></text>',
    ]
    parts += [
        _arrow(layout, places, through, node, place)
        for node in check.nodes
        for place in range(len(node.slopes))
    ]
    parts += [_box(check, each, *places[each.name]) for each in check.nodes]
    return "\n".join([*parts, "</svg>\n"])


def _places(nodes: Sequence[Node], layout: _Layout) -> tuple[dict[str, Point], dict[Edge, list[Point]]]:
    """Return the upper left corner of every box, and of the gaps between boxes that a longer arrow goes through.

    A node stands in the column after those of its operands, a variable just before its first use, each near the middle
    of what it depends on. An arrow across several columns has a gap of its own in those between.
    """
    columns = _columns(nodes)
    edges = [(slope.operand, each.name, i) for each in nodes for i, slope in enumerate(each.slopes)]
    rows: dict[str, float] = {}
    passing: dict[Edge, list[float]] = {edge: [] for edge in edges}
    for column in range(max(columns.values()) + 1):
        items: list[tuple[float, str | Edge]] = []
        inside = [each for each in nodes if columns[each.name] == column]
        for i, each in enumerate(inside):
            before = [_last(edge, rows, passing) for edge in edges if edge[1] == each.name]
            items.append((sum(before) / len(before) if before else float(i), each.name))
        items += [
            (_last(edge, rows, passing), edge)
            for edge in edges
            if columns[edge[0]] < column < columns[edge[1]]
        ]
        items.sort(key=lambda item: item[0])
        end = -1.0
        for wanted, item in items:
            room = 0.5 if isinstance(item, str) else THIN / 2
            place = max(wanted, end + room) if end >= 0 else max(wanted, 0.0)
            end = place + room
            if isinstance(item, str):
                rows[item] = place
            else:
                passing[item].append(place)
    corners = {name: layout.corner(columns[name], row) for name, row in rows.items()}
    through = {
        edge: [layout.corner(columns[edge[0]] + 1 + i, row) for i, row in enumerate(found)]
        for edge, found in passing.items()
    }
    return corners, through


def _columns(nodes: Sequence[Node]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in nodes:
        found[each.name] = 1 + max((found[slope.operand] for slope in each.slopes), default=-1)
    for each in nodes:
        users = [found[user.name] for user in nodes for slope in user.slopes if slope.operand == each.name]
        if not each.slopes and users:
            found[each.name] = min(users) - 1
    return found


def _last(edge: Edge, rows: dict[str, float], passing: dict[Edge, list[float]]) -> float:
    return passing[edge][-1] if passing[edge] else rows[edge[0]]


def _box(check: ExpressionCheck, node: Node, x: float, y: float) -> str:
    middle = x + WIDE / 2
    operation = "variable" if node.operation == LEAF else node.operation
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{WIDE}" height="{HIGH}" rx="6" fill="#f6f8fa" stroke="{FAINT}"/>'
        + _text(middle, y + 19, _assigned(node), INK, weight=600)
        + _text(middle, y + 34, operation, FAINT, size=11)
        + _text(middle, y + 50, f"{node.value:.6g}", FORWARD)
        + _text(middle, y + 67, f"d{check.result}/d{node.name} = {node.adjoint:.6g}", BACKWARD)
    )


def _arrow(
    layout: _Layout, corners: dict[str, Point], through: dict[Edge, list[Point]], node: Node, place: int
) -> str:
    slope = node.slopes[place]
    here = layout.start(corners[slope.operand])
    end = layout.end(corners[node.name], (place + 1) / (len(node.slopes) + 1))
    path = [f"M{here[0]:g} {here[1]:g}"]
    for gap in through[slope.operand, node.name, place]:
        path.append(layout.curve(here, layout.end(gap)))
        here = layout.start(gap)
        path.append(f"L{here[0]:g} {here[1]:g}")
    path.append(layout.curve(here, end))
    return f'<path d="{"".join(path)}" fill="none" stroke="{FAINT}" marker-end="url(#tip)"/>' + layout.label(
        end, f"{slope.value:.5g}"
    )


def _text(
    x: float,
    y: float,
    text: str,
    colour: str,
    *,
    size: int = 14,
    weight: int = 400,
    anchor: str = "middle",
    halo: bool = False,
) -> str:
    around = f' stroke="{PAPER}" stroke-width="4" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}"{around}>{escape(text)}</text>'
    )
