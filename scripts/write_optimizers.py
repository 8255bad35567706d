"""Write a page and a picture for each optimizer from the code: `.venv/bin/python scripts/write_optimizers.py`.

A page has the mathematics that stands at the top of the rule's file (as MathML, which browsers draw by
themselves), what the rule remembers and couples, where it differs, and its path on the same two valleys as every
other. A test fails while a page differs from what this writes.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import annotated_types
import torch
from pydantic.fields import FieldInfo

from steepest import optim
from steepest.optim.rule import Rule, table

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # a script of this folder knows only its own folder
from scripts.docs_hook import displayed, math_markup  # noqa: E402
from tests.optim.cases import BY_RULE  # noqa: E402

FOLDER = ROOT / "docs" / "optimizers"
NAVIGATION = ROOT / "mkdocs.yml"
STEPS = 120
COUPLES = {
    "element": "none: every weight is updated independently",
    "tensor": "the weights of one tensor",
    "model": "all weights of the model",
}
IDLE = {
    "still": "changes nothing",
    "param_still": "changes only the state, not the weight",
    "moves": "the weight keeps moving",
}


def markdown(text: str) -> str:
    """Return a docstring's prose and formulas as Markdown."""
    blocks: list[str] = []
    for block in re.split(r"\n(?=\.\. math::)", inspect.cleandoc(text)):
        if block.startswith(".. math::"):
            formula, _, rest = block.removeprefix(".. math::").partition("\n\n")
            blocks += [displayed(formula)]
            blocks += [" ".join(part.split()) for part in rest.split("\n\n")]
        else:
            blocks += [" ".join(part.split()) for part in block.split("\n\n")]
    joined = "\n\n".join(block.strip() for block in blocks if block.strip())
    joined = re.sub(r":math:`([^`]*)`", lambda found: math_markup(found[1], False), joined)
    return joined.replace("``", "`")


def allowed(field: Any) -> str:
    """Return a hyperparameter's range in words of mathematics."""
    if isinstance(field.default, tuple):
        parts = [FieldInfo.from_annotation(part) for part in field.annotation.__args__]
        return "; ".join(allowed(part) or "any" for part in parts)
    signs = {
        annotated_types.Ge: "≥",
        annotated_types.Gt: ">",
        annotated_types.Le: "≤",
        annotated_types.Lt: "<",
    }
    bounds = [
        f"{signs[type(each)]} {getattr(each, type(each).__name__.lower()):g}"
        for each in field.metadata
        if type(each) in signs
    ]
    if isinstance(field.default, bool):
        return "true or false"
    if isinstance(field.default, str):
        return " or ".join(f"`{each}`" for each in field.annotation.__args__)
    return ", ".join(bounds)


# --- the picture ------------------------------------------------------------------------------------------

Valley = Callable[[torch.Tensor], torch.Tensor]
Box = tuple[float, float, float, float]
LEFT, RIGHT = (-2.6, 2.6, -1.9, 1.9), (-2.6, 2.6, -0.8, 3.0)
"""The frames of both valleys, left, right, bottom, top: of the same scale, the same for every optimizer."""
WIDTH, HEIGHT = 312, 228
RATES = [10 ** (k / 4) for k in range(-20, 13)]
"""Quarters of decades from 1e-5 to 1,000."""


def narrow(w: torch.Tensor) -> torch.Tensor:
    """A straight valley, 20 times steeper across than along."""
    return 0.5 * (w[0] ** 2 + 20 * w[1] ** 2)


def banana(w: torch.Tensor) -> torch.Tensor:
    """Rosenbrock's curved valley, with 10 in the place of 100."""
    return (1 - w[0]) ** 2 + 10 * (w[1] - w[0] ** 2) ** 2


def plain(rule: Rule[Any]) -> Rule[Any]:
    """Return the rule without weight decay, which would pull the path to 0 whatever the valley."""
    decays = "weight_decay" in type(rule.hyper).model_fields
    return rule.with_options(weight_decay=0.0) if decays else rule


def walk(rule: Rule[Any], valley: Valley, start: tuple[float, float]) -> list[tuple[float, float]]:
    """Return the points at which the rule would be evaluated, step by step, as far as they are numbers.

    What couples the numbers of a matrix sees the two as a matrix of one row.
    """
    w = torch.tensor(start, dtype=torch.float64)
    w = w[None] if rule.couples == "tensor" else w
    slots = rule.start(w)
    path = [start]
    for c in table(rule, STEPS):
        at = w.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(valley(at.flatten()), at)
        w, slots = rule.update(gradient, w, slots, c)
        seen = rule.evaluation_parameters(w, slots, c).flatten()
        if not bool(torch.isfinite(seen).all()):
            break
        path.append((float(seen[0]), float(seen[1])))
    return path


def inside(path: list[tuple[float, float]], box: Box) -> bool:
    """Return whether every step was taken, and none of them ends outside of the frame."""
    x0, x1, y0, y1 = box
    return len(path) > STEPS and all(x0 <= x <= x1 and y0 <= y <= y1 for x, y in path)


def best_walk(
    rule: Rule[Any], valley: Valley, start: tuple[float, float], box: Box
) -> tuple[float, list[tuple[float, float]]]:
    """Return the rate that ends lowest of those whose path stays in the frame, and its path."""
    found = [(rate, walk(plain(rule).with_lr(rate), valley, start)) for rate in RATES]
    return min(
        (each for each in found if inside(each[1], box)),
        key=lambda each: float(valley(torch.tensor(each[1][-1], dtype=torch.float64))),
    )


def contours(straight: bool) -> list[list[tuple[float, float]]]:
    """Return level lines of a valley as curves in the plane (solved for the second coordinate)."""
    lines: list[list[tuple[float, float]]] = []
    for level in (0.1, 0.5, 2.0, 6.0, 15.0, 35.0):
        reach = math.sqrt(2 * level) if straight else math.sqrt(level)
        middle = 0.0 if straight else 1.0
        turn = [math.pi * k / 60 for k in range(121)]
        points = []
        for angle in turn:
            x = middle + reach * math.cos(angle)
            y = (
                reach / math.sqrt(20) * math.sin(angle)
                if straight
                else x * x + reach / math.sqrt(10) * math.sin(angle)
            )
            points.append((x, y))
        lines.append(points)
    return lines


def panel(rule: Rule[Any], straight: bool, left: int) -> str:
    """Return one valley with the rule's path as SVG."""
    box = LEFT if straight else RIGHT
    x0, x1, y0, y1 = box

    def place(points: list[tuple[float, float]]) -> str:
        return " ".join(
            f"{left + (x - x0) / (x1 - x0) * WIDTH:.1f},{(y1 - y) / (y1 - y0) * HEIGHT:.1f}"
            for x, y in points
        )

    start = (-2.0, 1.2) if straight else (-1.5, 2.5)
    rate, path = best_walk(rule, narrow if straight else banana, start, box)
    parts = [
        f'<polyline points="{place(line)}" fill="none" stroke="#888" stroke-opacity=".45"/>'
        for line in contours(straight)
    ]
    drawn = place(path)
    parts.append(f'<polyline points="{drawn}" fill="none" stroke="#00897b" stroke-width="1.5"/>')
    x, y = drawn.split()[0].split(",")
    parts.append(f'<path d="M{x} {y}m-4 -4h8v8h-8z" fill="#00897b"/>')
    for point in drawn.split():
        x, y = point.split(",")
        parts.append(f'<circle cx="{x}" cy="{y}" r="1.8" fill="#00897b"/>')
    goal = place([(0.0, 0.0) if straight else (1.0, 1.0)]).split(",")
    parts.append(f'<path d="M{goal[0]} {goal[1]}m-5 0h10m-5-5v10" stroke="#d81b60" stroke-width="2"/>')
    clip = "a" if straight else "b"
    name = "straight valley" if straight else "curved valley"
    return (
        f'<clipPath id="{clip}"><rect x="{left}" width="{WIDTH}" height="{HEIGHT}"/></clipPath>'
        f'<g clip-path="url(#{clip})">{"".join(parts)}</g>'
        f'<text x="{left + WIDTH / 2:g}" y="{HEIGHT + 18}" text-anchor="middle" fill="#888" '
        f'font-family="sans-serif" font-size="12">{name}, lr {rate:.2g}</text>'
    )


def picture(rule: Rule[Any]) -> str:
    """Return the rule's path on both valleys as an SVG file."""
    both = panel(rule, True, 0) + panel(rule, False, WIDTH + 20)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH + 20} {HEIGHT + 26}" role="img" '
        f'aria-label="path of {rule.title} on two valleys">{both}</svg>\n'
    )


# --- the page ---------------------------------------------------------------------------------------------


def in_torch(rule: Rule[Any]) -> str:
    """Return what torch calls the same mathematics, as far as the table of cases holds the two together."""
    twins = {case.torch for case in BY_RULE[type(rule)] if case.torch}
    if not twins:
        return "no equivalent"
    (twin,) = twins
    worst = max(case.float64 for case in BY_RULE[type(rule)] if case.torch)
    same = (
        "the same to 1e-12 in float64"
        if worst <= 1e-12
        else f"the same to {worst:g}, by rounding in bfloat16"
    )
    return f"`torch.optim.{twin.__name__}`, {same}, including the state (`tests/optim/test_rules.py`)"


def page(name: str) -> str:
    """Return the page of a registered optimizer."""
    entry = optim.registry.entry(name)
    rule = optim.make_rule(name)
    kind = type(rule)
    preset = ", ".join(f"{key}={value!r}" for key, value in entry.preset.items())
    title, _, body = inspect.cleandoc(sys.modules[kind.__module__].__doc__ or "").partition("\n\n")
    del title
    matrix = rule.start(torch.zeros(64, 32))
    slots = ", ".join(f"`{each}`" for each in matrix) or "none"
    facts = [
        ("on the command line", f"`-o {name}`" + (f", which is `{rule.name}({preset})`" if preset else "")),
        ("in any torch loop", f"`steepest.optim.{optim.class_name(name)}(params, lr={rule.hyper.lr:g})`"),
        ("paper", rule.citation),
        ("state", f"{slots}: {rule.state_bytes:.2g} bytes per float32 weight of a 64 × 32 matrix"),
        ("coupling", COUPLES[rule.couples]),
        ("zero gradient", IDLE[rule.idle]),
        ("learning rates are tuned around", f"{rule.centre:g}"),
        (
            "schedule",
            "multiplies the learning rate"
            if rule.lr_is_a_factor
            else "multiplies the applied step, not the learning rate; so does an `lr` set by a torch `lr_scheduler` "
            "or by hand",
        ),
        ("torch equivalent", in_torch(rule)),
        ("differences from the source", rule.divergences or "none known"),
    ]
    lines = [
        f"# {rule.title}" + (f" ({name})" if preset else ""),
        markdown(body),
        "## Summary",
        "| | |\n| --- | --- |\n" + "\n".join(f"| {key} | {value} |" for key, value in facts),
        "## Hyperparameters",
        "| name | default | range | meaning |\n| --- | --- | --- | --- |\n"
        + "\n".join(
            f"| `{key}` | `{getattr(rule.hyper, key)!r}` | {allowed(field)} | {field.description} |"
            for key, field in kind.Hyper.model_fields.items()
        ),
        "## Path",
        f"![The path of {rule.title} on a straight and on a curved valley]({name}.svg)",
        f"{STEPS} steps at a constant learning rate, without weight decay. Of {len(RATES)} rates, a quarter of a "
        "decade apart from 1e-5 to 1,000, this one ends lowest without leaving the frame. The square is the start, the "
        "cross the minimum; the points are those at which the rule would be evaluated"
        + (", with the two numbers as a matrix of one row" if rule.couples == "tensor" else "")
        + ". Both valleys have the same scale and are the same for every optimizer.",
    ]
    return "\n\n".join(lines) + "\n"


def navigation(text: str) -> str:
    """Return mkdocs.yml with every page under its heading."""
    listed = "".join(f"      - {name}: optimizers/{name}.md\n" for name in optim.names())
    return re.sub(r"(?m)^  - Optimizers:\n(      - .*\n)*", f"  - Optimizers:\n{listed}", text)


def main() -> None:
    """Write every page and picture."""
    FOLDER.mkdir(exist_ok=True)
    for name in optim.names():
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
        (FOLDER / f"{name}.svg").write_text(picture(optim.make_rule(name)), encoding="utf-8")
    NAVIGATION.write_text(navigation(NAVIGATION.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
