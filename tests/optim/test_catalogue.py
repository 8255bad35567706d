"""What ``steepest list`` shows of optimizers and schedules."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from steepest import optim, schedules
from steepest.cli.flags import KINDS, registry
from steepest.cli.listing import braille, listing
from steepest.errors import UnknownNameError
from steepest.optim import make_spec


def shown(*arguments, width: int = 80, **options) -> str:
    """Return what a terminal of that width would show."""
    file = io.StringIO()
    Console(file=file, width=width).print(listing(*arguments, **options), markup=False, highlight=False)
    return file.getvalue()


def test_every_optimizer_has_one_line_that_says_what_it_is() -> None:
    """At 80 columns nothing is cut and nothing wraps: one line for each, and below them what the marks mean."""
    lines = shown(optim.registry).splitlines()
    end = next(place for place, line in enumerate(lines) if line.startswith("● compared by default"))
    rows = {line[2:].split()[0]: line for line in lines[1:end]}
    assert list(rows) == optim.registry.names()
    assert all(len(line) <= 80 for line in lines)
    for name, line in rows.items():
        what = optim.registry.entry(name).what
        assert what
        assert what in line
        assert f"{make_spec(name).hyper.lr:g}" in line.split()
        assert line.startswith("●") == ("default" in optim.registry.entry(name).groups)


@pytest.mark.parametrize("kind", KINDS)
def test_every_component_has_one_line_at_80_columns(kind: str) -> None:
    components = registry(kind)
    lines = shown(components).splitlines()
    assert all(len(line) <= 80 and "…" not in line for line in lines)
    for name, entry in components.entries.items():
        rows = [line for line in lines if line.lstrip("●○△ ").split()[:1] == [name]]
        assert len(rows) == 1, name
        assert entry.what, name
        if kind not in (
            "datasets",
            "studies",
            "suites",
        ):  # these have further columns, beside which the text is wrapped
            assert entry.what in rows[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sgd", 0.0),
        ("momentum", 4.0),
        ("adam(amsgrad=True)", 12.0),
        ("adafactor", 4 * (64 + 32) / (64 * 32)),
        ("l-bfgs(history_size=3)", 32.0),
    ],
)
def test_bytes_of_state(text: str, expected: float) -> None:
    assert make_spec(text).state_bytes == pytest.approx(expected)


def test_json_has_all_of_it() -> None:
    found = {each["name"]: each for each in json.loads(listing(optim.registry, as_json=True))}
    assert set(found) == set(optim.registry.names())
    assert found["adam"]["hyperparameters"]["betas"]["default"] == [0.9, 0.999]
    assert all(each["paper"] and each["title"] for each in found.values())
    assert {"name", "groups", "what"} == set(json.loads(listing(schedules.registry, as_json=True))[0])


def test_every_schedule_is_drawn() -> None:
    drawing = shown(schedules.registry, plot=True)
    for name in schedules.registry.names():
        assert name in drawing, name
    assert sum(0x2800 < ord(letter) <= 0x28FF for letter in drawing) > 20 * len(schedules.registry.names())
    assert max(map(len, drawing.splitlines())) <= 80


def test_a_specification_is_drawn_as_it_stands() -> None:
    drawing = shown(schedules.registry, ["warmup(cosine, length=0.5)", "constant"], plot=True)
    assert "warmup(cosine, length=0.5)" in drawing
    assert "sgdr" not in drawing
    with pytest.raises(UnknownNameError):
        listing(schedules.registry, ["warmup(cosin)"], plot=True)


def test_only_what_is_named_is_listed() -> None:
    assert "lion" not in shown(optim.registry, ["adam", "muon"])
    with pytest.raises(UnknownNameError, match="adm"):
        listing(optim.registry, ["adm"])


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """Return the (column, row) of every dot of a drawing."""
    places = {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (1, 0), 4: (1, 1), 5: (1, 2), 6: (0, 3), 7: (1, 3)}
    return {
        (2 * x + places[bit][0], 4 * y + places[bit][1])
        for y, line in enumerate(lines)
        for x, letter in enumerate(line)
        for bit in range(8)
        if ord(letter) - 0x2800 >> bit & 1
    }


def test_a_curve_has_a_dot_in_each_column_at_its_height() -> None:
    values = [1 - number / 15 for number in range(16)]
    assert dots(braille(values, width=8, height=4)) == {(number, number) for number in range(16)}
    assert dots(braille([0.0, 0.0, 1.0, 1.0], width=2, height=1)) == {
        (0, 3),
        (1, 3),
        (2, 2),
        (2, 1),
        (2, 0),
        (3, 0),
    }
