"""Differences from what each seed and row gave: what the interval holds, correction, standings, and what is dropped."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from steepest import rng
from steepest.compare.differences import between, difference, differences, standings
from steepest.compare.estimates import Difference, Estimate
from steepest.compare.intervals import holm, paired_t, row_bootstrap
from steepest.compare.scores import MOST_ROWS, scores
from steepest.compare.worth import how_sure
from steepest.evaluate import crossed
from steepest.evaluate.metrics import metric_info
from steepest.evaluate.rowwise import FEWEST_OF_A_CLASS, FEWEST_ROWS, RAREST, by_row, other_values
from steepest.objectives.target import ClassTarget

NAN = math.nan


def losses(
    index: int, seeds: int = 5, rows: int = 400, mean: float = 1.0, spread: float = 0.02
) -> np.ndarray:
    hard = rng.stream(0, "data", rows).exponential(1.0, (1, rows))
    draw = rng.stream(index, "data", seeds, rows)
    return mean * hard + spread * draw.normal(size=(seeds, 1)) + 0.1 * draw.normal(size=(seeds, rows))


def made(name: str, table: np.ndarray, metric: str = "log_loss", *, seeded: bool = True):
    return scores(name, metric, table.mean(1).tolist(), [{"loss": each} for each in table], seeded=seeded)


def test_two_optimizers_with_rows_hold_both_uncertainties():
    one, other = losses(1), losses(2, mean=1.2)
    found = difference(made("adam", one), made("sgd", other))
    expected = crossed.parts(one - other)
    half = float(crossed.half_width(expected))
    assert (found.over, found.n, found.rows) == ("both", 5, 400)
    assert (found.low, found.high) == pytest.approx((expected.mean - half, expected.mean + half))
    assert found.p == pytest.approx(float(crossed.p_value(expected)))
    assert found.p_adjusted == found.p
    assert found.seed_share == pytest.approx(float(expected.share))
    alone = paired_t(one.mean(1), other.mean(1))
    assert found.by_seeds == pytest.approx((alone.low, alone.high))
    assert found.by_rows is not None
    error = (one - other).mean(0).std(ddof=1) / 20
    assert (found.by_rows[1] - found.by_rows[0]) / 2 == pytest.approx(1.96 * error, rel=0.1)
    assert found.better == "adam"


def test_differences_turn_with_their_order():
    one, other = made("a", losses(1)), made("b", losses(2, mean=1.01))
    found, turned = difference(one, other), difference(other, one).swapped()
    assert found.model_copy(update={"by_rows": None}) == turned.model_copy(update={"by_rows": None})
    assert found.by_rows == pytest.approx(turned.by_rows, rel=0.05)
    assert between([found], "b", "a", "log_loss") == found.swapped()
    assert between([found], "a", "b", "log_loss") is found
    assert between([found], "a", "b", "accuracy") is None


def test_a_baseline_is_one_model_against_every_seed():
    table, base = losses(1), losses(9, seeds=1, spread=0.0)
    found = difference(made("adam", table), made("logistic", base, seeded=False))
    expected = crossed.parts(table - base)
    assert (found.over, found.n, found.mean) == ("both", 5, pytest.approx(float(expected.mean)))
    assert found.high - found.mean == pytest.approx(float(crossed.half_width(expected)))


def test_a_diverged_seed_takes_its_pair_with_it():
    one, other = losses(1), losses(2)
    values = one.mean(1).tolist()
    values[1] = NAN
    kept = [{"loss": each} for each in one]
    kept[1] = None
    found = difference(scores("a", "log_loss", values, kept), made("b", other))
    left = [0, 2, 3, 4]
    expected = difference(made("a", one[left]), made("b", other[left]))
    assert found == expected
    assert found.n == 4


NO_ROWS = [
    ("f1", [{"loss": np.ones(200)}] * 3),  # a metric without a value by row
    ("accuracy", [{"loss": np.ones(200)}] * 3),  # nothing kept of what was right
    ("log_loss", [None] * 3),
    ("log_loss", [{"loss": np.ones(200)}, {"loss": np.ones(200)}, None]),  # a file is gone
    (
        "log_loss",
        [
            {"loss": np.ones(200)},
            {"loss": np.ones(200)},
            {"loss": np.where(np.arange(200) == 1, math.inf, 1.0)},
        ],
    ),
    ("log_loss", [{"loss": np.ones(200)}, {"loss": np.ones(200)}, {"loss": np.ones(201)}]),
]


@pytest.mark.parametrize(("metric", "kept"), NO_ROWS)
def test_without_rows_the_interval_holds_the_seeds_alone(metric, kept):
    one, other = [0.5, 0.52, 0.51], [0.4, 0.41, 0.44]
    found = difference(scores("a", metric, one, kept), scores("b", metric, other, kept))
    expected = paired_t(one, other)
    assert (found.over, found.rows, found.by_rows, found.seed_share) == ("seeds", 0, None, None)
    assert (found.mean, found.low, found.high, found.p) == pytest.approx(expected[:4])
    assert found == difference(scores("a", metric, one, []), scores("b", metric, other, []))


@pytest.mark.parametrize(
    ("metric", "title"), [("roc_auc", "ROC AUC (macro)"), ("f1", "F1 (macro)"), ("r2", "R²")]
)
@pytest.mark.parametrize("kept", [{"loss": np.ones(200)}, None])
def test_seeds_alone_tell_nothing_from_a_baseline(metric, title, kept):
    """A baseline has one value, so the seeds contain nothing of what other test rows would change."""
    one = scores("adam", metric, [0.8, 0.81, 0.805], [kept] * 3)
    other = scores("boosting", metric, [0.7], [kept], seeded=False)
    [pair], [found, _] = differences([one, scores("sgd", metric, [0.5, 0.52, 0.51], [kept] * 3)], [other])
    assert found.mean == pytest.approx(0.105)
    assert (found.low, found.high, found.p, found.p_adjusted, found.visible) == (None,) * 5
    assert (found.told_apart, found.better, found.by_seeds) == (False, None, None)
    assert found.reason == f"the variation of {title} over test rows is not known"
    assert pair.ends is not None


def ranked(seeds: int, positive: int, *, seeded: bool = True, shift: float = 0.0, index: int = 1):
    """What a comparison knows of a model's ROC AUC on 500 rows, of which so many are positive."""
    truth = np.arange(500) < positive
    draw = rng.stream(index, "data", seeds)
    base = draw.normal(size=500) + (1.5 + shift) * truth
    values, kept = [], []
    for _ in range(seeds):
        score = torch.tensor(base + 0.1 * draw.normal(size=500))
        outputs, target = torch.stack([torch.zeros_like(score), score], 1), torch.tensor(truth).long()
        values.append(float(roc_auc_score(truth, score.numpy())))
        kept.append({"loss": np.ones(500)} | other_values(outputs, target, ClassTarget(2), ["roc-auc"]))
    return scores(f"model {index}", "roc_auc", values, kept, seeded=seeded)


@pytest.mark.parametrize("seeded", [True, False])
def test_metrics_that_are_no_mean_over_rows_hold_both_uncertainties(seeded):
    one, other = ranked(3, 100), ranked(3 if seeded else 1, 100, seeded=seeded, index=2)
    found = difference(one, other)
    half = float(crossed.half_width(crossed.parts(one.rows - other.rows)))
    assert (found.over, found.n, found.rows, found.reason) == ("both", 3, 500, None)
    assert found.mean == pytest.approx(one.values.mean() - other.values.mean())
    assert found.high - found.mean == pytest.approx(half)
    assert not found.told_apart
    far = difference(ranked(3, 100, shift=2.0), other)
    assert far.better == "model 1"


def test_a_class_with_few_rows_gives_no_interval_of_metrics_that_weigh_classes():
    few, enough = FEWEST_OF_A_CLASS - 1, FEWEST_OF_A_CLASS
    found = difference(ranked(3, few, shift=2.0), ranked(1, few, seeded=False, index=2))
    assert (found.ends, found.p, found.told_apart) == (None, None, False)
    assert found.reason == f"{few} test rows of the rarest class, fewer than {enough}"
    assert difference(ranked(3, enough), ranked(1, enough, seeded=False, index=2)).ends is not None
    kept = {"loss": losses(1, 1)[0], RAREST: np.array([few])}
    assert difference(scores("a", "log_loss", [1.0], [kept]), made("b", losses(2, 1), seeded=False)).ends


def test_one_seed_tells_no_optimizers_apart_but_one_run_from_a_baseline():
    one, other = losses(1, seeds=1), losses(2, seeds=1, mean=3.0)
    found = difference(made("a", one), made("b", other))
    assert (found.over, found.n, found.p, found.told_apart) == ("seeds", 1, None, False)
    assert (found.low, found.high, found.reason) == (None, None, "one seed")
    against = difference(made("a", one), made("mean", other, seeded=False))
    assert (against.over, against.n, against.better) == ("rows", 400, "a")


def test_nothing_finite_is_no_claim():
    found = difference(scores("a", "log_loss", [NAN, NAN], [None, None]), made("b", losses(1, seeds=2)))
    assert (found.n, found.p, found.told_apart, found.better) == (0, None, False, None)
    assert (found.low, found.high, found.reason) == (None, None, "no run of a finished")
    assert math.isnan(found.mean)


def apart(rows: int, seeds: int = 3, *, metric: str = "log_loss", baseline: bool = False):
    """A difference of 5 between tables that vary by next to nothing."""
    one, other = (losses(index, seeds, rows, spread=0.001) for index in (1, 2))
    first = scores("a", metric, (one.mean(1) + 5).tolist(), [{"loss": each + 5} for each in one])
    if baseline:
        return difference(
            first, scores("mean", metric, [float(other[0].mean())], [{"loss": other[0]}], seeded=False)
        )
    return difference(first, scores("b", metric, other.mean(1).tolist(), [{"loss": each} for each in other]))


@pytest.mark.parametrize("rows", [1, 2, 34, FEWEST_ROWS - 1])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("metric", ["log_loss", "f1"])
@pytest.mark.parametrize("baseline", [False, True])
def test_too_few_test_rows_give_no_interval_and_no_claim(rows, seeds, metric, baseline):
    found = apart(rows, seeds, metric=metric, baseline=baseline)
    assert found.mean == pytest.approx(5.0, abs=0.5)
    assert (found.low, found.high, found.p, found.p_adjusted) == (None,) * 4
    assert (found.told_apart, found.better, found.excludes_zero, found.visible) == (False, None, False, None)
    assert found.by_rows is None
    one_run = seeds == 1 and (metric == "f1" or not baseline)
    words = "1 test row," if rows == 1 else f"{rows} test rows,"
    assert found.reason == ("one seed" if one_run else f"{words} fewer than {FEWEST_ROWS}")
    assert found.reason in str(found)
    assert (found.by_seeds is None) == (seeds == 1 or (metric == "f1" and baseline))


@pytest.mark.parametrize("metric", ["log_loss", "f1"])
def test_enough_test_rows_give_both(metric):
    found = apart(FEWEST_ROWS, metric=metric)
    assert found.told_apart
    assert found.low < found.mean < found.high
    assert found.reason is None


@pytest.mark.parametrize("shift", [0.0, 0.25])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("metric", ["log_loss", "f1"])
def test_differences_that_are_all_the_same_show_nothing(shift, seeds, metric):
    table = np.repeat(losses(1, 1, 300), seeds, axis=0)
    one, other = (
        scores(name, metric, each.mean(1).tolist(), [{"loss": row} for row in each], seeded=name == "a")
        for name, each in (("a", table + shift), ("b", table[:1]))
    )
    found = difference(one, other)
    assert found.mean == pytest.approx(shift)
    assert (found.low, found.high, found.p, found.told_apart) == (None, None, None, False)
    unknown = "one seed" if seeds == 1 else "the variation of F1 (macro) over test rows is not known"
    same = "no spread" if shift else "identical results"
    assert found.reason == (unknown if metric == "f1" else same)


def test_optimizers_without_a_seed_in_common_have_no_difference():
    found = difference(
        scores("a", "f1", [0.5, 0.6, NAN, NAN], []), scores("b", "f1", [NAN, NAN, 0.1, 0.2], [])
    )
    assert (found.n, found.reason, found.told_apart) == (0, "no seed in common", False)
    assert (found.low, found.high, found.p, found.visible) == (None,) * 4
    assert found.mean == pytest.approx(0.55 - 0.15)


def test_a_stored_interval_without_width_is_read_as_none():
    """As folders of earlier versions have it."""
    stored = {"first": "a", "second": "b", "metric": "log_loss", "over": "rows", "mean": 0.5, "low": 0.5, "high": 0.5,
              "n": 1, "told_apart": True, "better": "b", "p": 0.0, "p_adjusted": 0.0}  # fmt: skip
    found = Difference.model_validate_json(json.dumps(stored))
    assert (found.low, found.high, found.p, found.p_adjusted) == (None,) * 4
    assert (found.told_apart, found.better) == (False, None)
    assert Estimate(mean=1.0, low=1.0, high=1.0, n=1) == Estimate(mean=1.0, n=1)
    assert Estimate(mean=1.0, low=NAN, high=NAN, n=1).ends is None
    assert Estimate(mean=1.0, low=0.5, high=1.5, n=3).ends == (0.5, 1.5)


def test_each_family_is_corrected_by_itself():
    optimizers = [made(name, losses(index, mean=1 + 0.02 * index)) for index, name in enumerate("abcd")]
    baselines = [
        made(name, losses(20, seeds=1, mean=mean), seeded=False) for name, mean in (("x", 1.05), ("y", 2))
    ]
    pairs, against = differences(optimizers, baselines)
    assert (len(pairs), len(against)) == (6, 8)
    for family in (pairs, against):
        assert [each.p_adjusted for each in family] == holm([each.p for each in family])
        for each in family:
            assert each.comparisons == len(family)
            assert each.told_apart == (each.p_adjusted < 0.05)
            assert each.excludes_zero == (each.p < 0.05)
            assert each.excludes_zero or not each.told_apart
            assert (each.better in (each.first, each.second)) == each.told_apart


def test_a_difference_can_be_lost_to_the_correction_and_the_smallest_visible_grows_with_it():
    table = losses(1)
    others = [made(f"o{index}", losses(index + 2, mean=1.035)) for index in range(7)]
    alone = difference(made("a", table), others[0])
    pairs, _ = differences([made("a", table), *others], [])
    found = between(pairs, "a", "o0", "log_loss")
    assert alone.told_apart
    assert not found.told_apart
    assert found.excludes_zero
    assert found.visible > alone.visible


def test_a_family_pools_what_the_seeds_do_and_a_baseline_adds_nothing_to_it():
    """As it is said in crossed: optimizers among themselves, and optimizers against baselines."""
    tables = [losses(index, seeds=3) for index in range(4)]
    base = [losses(20 + index, seeds=1) for index in range(3)]
    pairs, against = differences(
        [made(name, table) for name, table in zip("abcd", tables, strict=True)],
        [made(name, table, seeded=False) for name, table in zip("xyz", base, strict=True)],
    )
    inner = crossed.pool([crossed.parts(a - b) for a, b in itertools.combinations(tables, 2)], 3)
    outer = crossed.pool([crossed.parts(a - b) for a in tables for b in base], 4)
    for family, expected, degrees in ((pairs, inner, 6), (against, outer, 8)):
        for found, parts in zip(family, expected, strict=True):
            half = float(crossed.half_width(parts))
            assert parts.degrees == degrees
            assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))
            assert found.p == pytest.approx(float(crossed.p_value(parts)), rel=1e-6)
            assert found.visible == pytest.approx(
                crossed.smallest_visible(parts, 1 - 0.05 / len(family)), rel=1e-6
            )


HIGHER = [("log_loss", "loss", "a"), ("accuracy", "correct", "b")]


@pytest.mark.parametrize(("metric", "key", "better"), HIGHER)
def test_better_follows_the_direction_of_the_metric(metric, key, better):
    draw = rng.stream(4, "data")
    low = draw.uniform(size=(4, 3000)) < 0.3
    high = draw.uniform(size=(4, 3000)) < 0.6
    one, other = (
        scores(name, metric, table.mean(1).tolist(), [{key: each} for each in table])
        for name, table in (("a", low), ("b", high))
    )
    found = difference(one, other)
    assert (found.better, found.over) == (better, "both")


@pytest.mark.parametrize("metric", ["rmse", "mae", "log_loss", "accuracy"])
def test_the_rows_of_a_metric_have_it_as_their_mean(metric):
    errors = rng.stream(5, "data").normal(0.0, 2.0, 900)
    kept = {"loss": errors**2, "correct": errors > 0}
    expected = {
        "rmse": math.sqrt((errors**2).mean()),
        "mae": np.abs(errors).mean(),
        "log_loss": (errors**2).mean(),
        "accuracy": (errors > 0).mean(),
    }
    assert by_row(metric, kept).mean() == pytest.approx(expected[metric])


def test_the_linearised_rmse_varies_as_the_rmse_does():
    """Against 4,000 draws of 500 rows: the error by the delta method is the spread of the RMSE itself."""
    draws = rng.stream(6, "data").normal(size=(4000, 500))
    roots = np.sqrt((draws**2).mean(1))
    errors = [by_row("rmse", {"loss": each**2}).std(ddof=1) / math.sqrt(500) for each in draws[:500]]
    assert np.median(errors) == pytest.approx(roots.std(), rel=0.1)


def test_more_rows_than_needed_are_averaged_first_and_change_next_to_nothing():
    rows = MOST_ROWS * 2 + 7
    one, other = losses(1, 3, rows), losses(2, 3, rows, mean=1.01)
    found = difference(made("a", one), made("b", other))
    expected = crossed.parts(one - other)
    assert made("a", one).rows.shape == (3, rows // 3)
    assert found.rows == rows
    assert found.mean == pytest.approx(float(expected.mean), rel=1e-9)
    assert found.high - found.low == pytest.approx(2 * float(crossed.half_width(expected)), rel=0.03)


def test_bootstrap_of_many_columns_is_that_of_each():
    columns = rng.stream(7, "data").exponential(size=(3, 700))
    together = row_bootstrap(columns, seed=3)
    for column, (low, high) in zip(columns, together, strict=True):
        half = 1.96 * column.std(ddof=1) / math.sqrt(700)
        assert (column.mean() - low, high - column.mean()) == pytest.approx((half, half), rel=0.12)
        assert row_bootstrap(column[None], seed=3)[0] == pytest.approx((low, high))


def test_standings_count_each_pair_once_from_either_side():
    optimizers = [made(name, losses(index, mean=mean)) for index, (name, mean) in
                  enumerate((("a", 1.0), ("b", 1.002), ("c", 1.5)))]  # fmt: skip
    baselines = [made("x", losses(9, seeds=1, mean=1.25), seeded=False)]
    pairs, against = differences(optimizers, baselines)
    lines = {each.name: each for each in standings("abc", "log_loss", pairs, against)}
    assert [(lines[name].wins, lines[name].ties, lines[name].losses) for name in "abc"] == [
        (1, 1, 0),
        (1, 1, 0),
        (0, 0, 2),
    ]
    assert [(lines[name].above, lines[name].below) for name in "abc"] == [
        (["x"], []),
        (["x"], []),
        ([], ["x"]),
    ]
    assert sum(each.wins for each in lines.values()) == sum(each.losses for each in lines.values())


def test_the_trust_strip_says_what_could_have_been_seen():
    pairs, _ = differences([made(name, losses(index)) for index, name in enumerate("abc")], [])
    facts = {each.label: each.value for each in how_sure(metric_info("log_loss"), pairs[:2])}
    visible = min(pairs[:2], key=lambda each: abs(each.mean)).visible
    assert facts["smallest detectable difference"] == f"{visible:.2g}"
    assert facts["comparisons corrected for"] == "3 between arms"
    two = [each.model_copy(update={"n": 2}) for each in pairs]
    assert how_sure(metric_info("log_loss"), two)[0].value.endswith(
        " (2 seeds detect nothing smaller: use 5 or more)"
    )
    seeds, rows = (int(each.split(" ")[-2]) for each in facts["share of variance"].split(", "))
    assert seeds + rows == 100
    assert how_sure(metric_info("log_loss"), []) == []
    percent = [each.model_copy(update={"visible": 0.012}) for each in pairs]
    assert how_sure(metric_info("accuracy"), percent)[0].value == "1.2 points"
    large = [each.model_copy(update={"visible": 2213.0}) for each in pairs]
    assert how_sure(metric_info("rmse"), large)[0].value == "2,200"
