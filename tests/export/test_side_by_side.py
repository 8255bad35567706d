"""Comparisons side by side: paired where rows and seeds are the same, and elsewhere the reason why not."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from steepest.compare.intervals import paired_t
from steepest.compare.result import Fact
from steepest.recipe import ExecutionPlan, Experiment
from steepest.report.side_by_side import (
    SeedScores,
    Side,
    across,
    configuration,
    corrected_differences,
    overview,
    remarks,
    render_sides,
    sentence,
    spans,
    why_not,
)
from steepest.report.side_text import sides_table
from tests.export.cases import rent_comparison, rent_experiment
from tests.export.conftest import compare
from tests.report.example import SCRIPT, nasty
from tests.report.test_browser import SPILLED, WIDTHS, scroll
from tests.report.test_html import Reader


def side(label: str = "runs/one", *, shift: float = 0.0, first_seed: int = 0, **changes: object) -> Side:
    """The example of rents with what each seed gave."""
    found = rent_comparison()
    runs = {
        row.name: {
            first_seed + place: SeedScores({"rmse": value + shift * (place + 1)})
            for place, value in enumerate(row.values["rmse"])
        }
        for row in found.rows
        if row.kind == "arm"
    }
    return replace(Side(label, found, rent_experiment(), "0123456789", runs), **changes)


def with_options(section: str, **changes: object) -> Experiment:
    tree = rent_experiment().model_dump()
    tree[section] |= changes
    return Experiment.model_validate(tree)


def test_differences_are_paired_by_seed_and_corrected_together():
    one, other = side(), side("runs/two", shift=-500.0)
    found = corrected_differences(one, other)
    assert [(each.first, each.second) for each in found] == [
        ("adamw in runs/one", "adamw in runs/two"),
        ("sgd in runs/one", "sgd in runs/two"),
    ]
    paired = paired_t([0.0, 0.0, 0.0], [-500.0, -1000.0, -1500.0])
    for each in found:
        assert (each.mean, each.low) == pytest.approx((paired.mean, paired.low))
        assert (each.n, each.comparisons) == (3, 2)
        assert each.p == pytest.approx(paired.p)
        assert each.p_adjusted == pytest.approx(2 * paired.p)
        assert each.told_apart == (2 * paired.p < 0.05)


def test_rows_enter_where_both_kept_them():
    draw = np.random.default_rng(0)
    rows = {seed: draw.gamma(2, 100, 300) for seed in range(3)}

    def kept(factor: float) -> dict[str, dict[int, SeedScores]]:
        return {
            "adamw": {
                seed: SeedScores({"rmse": float(np.sqrt(factor * loss.mean()))}, {"loss": factor * loss})
                for seed, loss in rows.items()
            }
        }

    found = corrected_differences(side(runs=kept(1.0)), side("runs/two", runs=kept(1.2)))
    assert [(each.over, each.rows, each.better) for each in found] == [("both", 300, "adamw in runs/one")]


def test_the_same_runs_are_named_and_not_compared():
    found = across(side(), side("runs/two"))
    assert found.same == ["adamw", "sgd"]
    assert found.lines == []


def test_the_same_runs_under_another_name_are_not_compared():
    other = side("runs/two")
    renamed = {"adamw, batch 32": other.runs["adamw"]}
    named = other.comparison.model_copy(update={"winner": "adamw, batch 32"})
    found = across(side(), replace(other, comparison=named, runs=renamed))
    assert found.same == ["adamw in runs/one and adamw, batch 32 in runs/two"]
    assert found.lines == []


@pytest.mark.parametrize(
    ("sets", "over"),
    [((1, 1), "seeds"), ((3, 5), "test sets"), ((1, 3), "seeds; over test sets where there are several")],
)
def test_what_intervals_of_values_are_over(sets, over):
    sides = [
        side(str(each), comparison=rent_comparison().model_copy(update={"test_sets": each})) for each in sets
    ]
    assert spans(sides) == over
    assert f"± 95 % interval over {over}" in "".join(Reader(render_sides(sides)).texts)


def test_the_best_network_is_not_called_a_winner_where_a_baseline_is_recommended():
    found = rent_comparison().model_copy(update={"recommended": "linear regression"})
    line = overview(side(comparison=found))
    assert (line.network, line.use) == ("adamw", "linear regression")
    for name in (row.name for row in found.rows if row.kind == "baseline"):
        rows = [row.model_copy(update={"chosen_by": 1.0 + (row.name != name)}) for row in found.rows]
        assert overview(side(comparison=found.model_copy(update={"rows": rows}))).baseline.startswith(name)
    text = " ".join(" ".join(Reader(render_sides([side(comparison=found), side("runs/two")])).texts).split())
    assert "Winner" not in text


OTHERS = [
    ({"fingerprint": "other"}, "test rows"),
    ({"fingerprint": ""}, "test rows"),
    (
        {"fingerprint": "other", "experiment": with_options("data", split_seed=5)},
        "(split seed)",
    ),
    ({"first_seed": 2}, "fewer than two run seeds in common (0, 1, 2; and 2, 3, 4)"),
    ({"comparison": rent_comparison().model_copy(update={"target": "price"})}, "rent (regression) and price"),
    (
        {"comparison": rent_comparison().model_copy(update={"metric": "mae"})},
        "deciding metrics differ: rmse and mae",
    ),
]


@pytest.mark.parametrize(("changes", "reason"), OTHERS)
def test_what_cannot_be_compared_says_why(changes, reason):
    found = across(side(), side("runs/two", **changes))
    assert reason in found.reason
    assert found.lines == []
    assert reason in "".join(Reader(render_sides([side(), side("runs/two", **changes)])).texts)


def test_different_sizes_are_said():
    data = [each.model_copy(update={"value": "999"}) if each.label == "training rows" else each
            for each in rent_comparison().data]  # fmt: skip
    smaller = side("runs/two", comparison=rent_comparison().model_copy(update={"data": data}))
    assert "runs/one 11,680 and runs/two 999" in remarks([side(), smaller])[0]
    assert remarks([side(), side("runs/two")]) == []


def test_comparisons_of_different_data_are_said_to_be_so_once():
    others = [
        side(str(place), comparison=rent_comparison().model_copy(update={"target": name, "metric": metric}))
        for place, (name, metric) in enumerate([("price", "rmse"), ("rent", "mae"), ("area", "rmse")])
    ]
    assert remarks(others) == [
        "They are of different data: a value of one says nothing about a value of another."
    ]
    texts = " ".join("".join(Reader(render_sides(others)).texts).split())
    assert texts.count("Not comparable") == 1
    assert "price (regression) in 0, rent (regression) in 1 and area (regression) in 2" in texts
    assert render_sides([*others, side("3")]).count("Not comparable") > 1


def test_what_a_setting_says_is_not_said_twice_and_in_words():
    """Source, target and split were there twice, once in raw keys, with everything that was the same."""
    sides = [
        side(
            name,
            comparison=rent_comparison().model_copy(
                update={
                    "data": [
                        Fact(label="source", value=f"{name}.csv"),
                        Fact(label="split", value=f"time, split seed {place}"),
                        Fact(label="fingerprint", value=name),
                        Fact(label="training rows", value=str(100 + place)),
                    ]
                }
            ),
            experiment=with_options("data", source=f"{name}.csv", split_seed=place, continuous=["x"][:place]),
        )
        for place, name in enumerate("ab")
    ]
    found = dict(configuration(sides))
    assert found == {
        "columns read as numbers": ["–", "x"],
        "source": ["a.csv", "b.csv"],
        "split": ["time, split seed 0", "time, split seed 1"],
        "training rows": ["100", "101"],
    }
    page = render_sides(sides)
    assert "data.continuous" not in page
    assert "The same in all" not in page


def test_what_differs_in_the_configuration():
    changed = configuration([side(), side("two", experiment=with_options("protocol", epochs=9, clip=None))])
    assert dict(changed) == {"clipping": ["1.0", "–"], "epochs": ["2.0", "9.0"]}


def test_timings_of_the_execution_plan_are_no_difference():
    plans = [ExecutionPlan(device="cpu", torch=version, cells={}) for version in ("2.8.0", "2.9.0")]
    experiments = [rent_experiment().model_copy(update={"plan": each}) for each in plans]
    assert configuration([side(str(i), experiment=each) for i, each in enumerate(experiments)]) == []


@pytest.mark.parametrize("width", [60, 80, 130])
def test_the_terminal_has_the_headline_and_the_first_table_of_the_page(width):
    """It had a path and no result."""
    file = io.StringIO()
    sides = [side("runs/one"), side("runs/two", shift=-500.0)]
    Console(file=file, width=width, color_system=None).print(sides_table(sides, width))
    text = " ".join(file.getvalue().split())
    assert sentence(sides) in text
    assert overview(sides[0]).value in text
    assert ("runs" in file.getvalue().splitlines()[0]) == (width >= 120)
    assert max(map(len, file.getvalue().splitlines())) <= width
    assert "…" not in text


SENTENCES = [
    (["adamw", "adamw"], "Validation chose adamw in both comparisons of one data set on RMSE."),
    (["adamw", "adamw", "adamw"], "Validation chose adamw in all 3 comparisons of one data set on RMSE."),
    (["adamw", "sgd"], "Validation chose adamw in 0 and sgd in 1."),
]


@pytest.mark.parametrize(("winners", "expected"), SENTENCES)
def test_the_sentence(winners, expected):
    sides = [
        side(str(place), comparison=rent_comparison().model_copy(update={"winner": name}))
        for place, name in enumerate(winners)
    ]
    assert sentence(sides) == expected


USES = [
    (["adamw", ""], "Validation chose adamw in both comparisons of one data set on RMSE."),
    (
        ["ridge", "ridge"],
        "Of the networks, validation chose adamw in both comparisons of one data set on RMSE. Predict uses ridge in "
        "both.",
    ),
    (
        ["ridge", "ridge", "adamw"],
        "Of the networks, validation chose adamw in all 3 comparisons of one data set on RMSE. Predict uses ridge in 0 "
        "and 1; the network in 2.",
    ),
]


@pytest.mark.parametrize(("used", "expected"), USES)
def test_the_sentence_names_what_predict_uses(used, expected):
    found = rent_comparison().model_copy(update={"winner": "adamw"})
    sides = [
        side(str(place), comparison=found.model_copy(update={"recommended": name}))
        for place, name in enumerate(used)
    ]
    assert sentence(sides) == expected
    rule = "better by a detectable difference, or is better on validation where none is detectable"
    assert rule in " ".join("".join(Reader(render_sides(sides)).texts).split())


@pytest.fixture(scope="module")
def folders(finished: Path, churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two comparisons on the same rows, and one on others."""
    root = tmp_path_factory.mktemp("sides")
    same = compare(
        churn_csv,
        root / "same",
        "--seeds",
        "3",
        "-o",
        "adam(lr=0.01),lion(lr=0.001)",
        "--schedule",
        "constant",
    )
    return [
        finished,
        same,
        compare(churn_csv, root / "larger", "--seeds", "2", "-o", "sgd(lr=0.1)", "--test", "0.3"),
    ]


def test_on_the_command_line(steepest, folders, tmp_path):
    said = steepest("report", *folders, "--out", tmp_path / "side.html")
    assert said.status == 0, said.err
    assert "side.html" in said.out
    texts = " ".join("".join(Reader((tmp_path / "side.html").read_text(encoding="utf-8")).texts).split())
    assert "numbers of training rows differ" in texts
    assert texts.count("Not comparable: data, preparation or split differ (share of test rows)") == 2
    assert re.search(r"adam\(lr=0\.01\) in \S+churn − adam\(lr=0\.01\) in \S+same", texts)
    assert "protocol.schedule" not in texts
    assert "schedule" in texts
    assert said.out.startswith("comparison ")
    assert "Validation chose" in said.out or "in all 3" in said.out
    assert "no interval: 60 test rows, fewer than 100" in texts


BAD = [
    (["report"], "nothing to report on", "--from"),
    (["report", "A", "--from", "x.csv"], "cannot be combined", "folder"),
    (["report", "A", "--metric", "loss"], "--metric goes with --from", "leave"),
    (["report", "A", "A", "--out", "s.html"], "named twice", "once"),
    (["report", "A", "nowhere", "--out", "s.html"], "'nowhere'", "--out folder"),
    (["export", "nowhere"], "'nowhere'", "--out folder"),
    (["export", "A", "--format", "word"], "'word'", "latex"),
    (["export", "A", "--format", ","], "','", "all formats"),
    (["export", "A", "--format", "text", "--out", "taken/x"], "'taken/x'", "folder"),
]


@pytest.mark.parametrize(("arguments", "fact", "hint"), BAD, ids=[" ".join(each[0]) for each in BAD])
def test_bad_input(steepest, finished, tmp_path, monkeypatch, arguments, fact, hint):
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("")
    said = steepest(*[str(finished) if each == "A" else each for each in arguments])
    assert said.status == 2
    error, _, cure = said.err.partition("\nHint: ")
    assert fact in error
    assert hint in cure
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_hostile_names_make_no_element():
    text = render_sides([side(SCRIPT, comparison=nasty()), side("two", comparison=nasty(), fingerprint="x")])
    assert SCRIPT not in text
    assert len(Reader(text).scripts) == 2


PAGES = {
    "two": lambda: [side(), side("runs/two", shift=-500.0)],
    "nasty": lambda: [
        side(SCRIPT, comparison=nasty()),
        side("b" * 90, comparison=nasty(), fingerprint="x"),
        side(),
    ],
}


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("device", WIDTHS)
def test_page_fits_and_is_silent(name, device, browser, tmp_path):
    path = tmp_path / "side.html"
    path.write_text(render_sides(PAGES[name]()), encoding="utf-8")
    with browser.page(path, width=WIDTHS[device], dark=device == "phone") as page:
        assert scroll(page) <= 0
        assert page.run(SPILLED) == []
        assert page.complaints() == []
        assert page.requests() == []
        assert page.run("typeof window.broken") == "undefined"


@pytest.mark.parametrize(("positive", "reason"), [("no", "positive classes differ: yes and no"), ("yes", "")])
def test_metrics_of_other_positive_classes_are_not_compared(positive, reason):
    one, other = (
        replace(
            each, comparison=each.comparison.model_copy(update={"metric": "positive_f1", "positive": label})
        )
        for each, label in ((side("a"), "yes"), (side("b"), positive))
    )
    found = why_not(one, other)
    assert reason in found
    assert bool(found) == bool(reason)
