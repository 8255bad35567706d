"""Main effects and interactions: against plain loops, in any order, with failed seeds, and where there are none."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from benchmarks import coverage_effects as simulation
from benchmarks.coverage import FALSE, LOWEST
from steepest import rng
from steepest.compare.differences import differences
from steepest.compare.factorial import factorial
from steepest.compare.intervals import holm, paired_t
from steepest.compare.scores import over_sets, scores
from steepest.errors import UnknownNameError
from steepest.evaluate import crossed

DESIGNS = [(2, 2), (3, 2), (2, 2, 2)]
FACTORS = ("model", "batch_size", "schedule")


def table_of(levels: tuple[int, ...], seeds: int = 4, rows: int = 300) -> np.ndarray:
    """Losses of one cell: the factors add up, but for an interaction of the first two."""
    draw = rng.stream(sum(level * 10**place for place, level in enumerate(levels)), "data")
    size = 1.0 + 0.1 * levels[0] - 0.04 * levels[1] + 0.05 * levels[0] * levels[1] + 0.001 * sum(levels[2:])
    return size + 0.01 * draw.normal(size=(seeds, 1)) + 0.05 * draw.normal(size=(seeds, rows))


def arms_of(
    shape: tuple[int, ...],
    *,
    by_row: bool = True,
    metric: str = "log_loss",
    failed: tuple[int, int] | None = None,
):
    made = []
    for place, levels in enumerate(itertools.product(*map(range, shape))):
        table = table_of(levels)
        values = table.mean(1).tolist()
        kept: list[dict[str, np.ndarray] | None] = [{"loss": each} for each in table]
        if failed and failed[0] == place:
            values[failed[1]], kept[failed[1]] = math.nan, None
        names = {factor: f"{factor} {level}" for factor, level in zip(FACTORS, levels, strict=False)}
        made.append((names, scores(f"arm {place}", metric, values, kept if by_row else [])))
    return made


def slow(arms, wanted: dict[str, str]) -> np.ndarray:
    """The mean over the arms with some levels, seed by seed, by plain loops."""
    found = []
    for seed in range(len(arms[0][1].values)):
        values = [
            float(each.values[seed])
            for levels, each in arms
            if all(levels[factor] == level for factor, level in wanted.items())
        ]
        found.append(sum(values) / len(values))
    return np.array(found)


@pytest.mark.parametrize("shape", DESIGNS, ids=str)
def test_effects_and_interactions_are_those_of_plain_loops_paired_by_seed(shape):
    arms = arms_of(shape, by_row=False, metric="f1")
    found, reason = factorial(arms)
    assert reason == ""
    expected, given = [], []
    for effect in found.effects:
        assert {each.level for each in effect.levels} == {levels[effect.factor] for levels, _ in arms}
        means = [each.mean for each in effect.levels]
        assert means == sorted(means, reverse=True)
        for pair in effect.pairs:
            one, other = (slow(arms, {effect.factor: level}) for level in (pair.first, pair.second))
            expected.append(paired_t(one, other))
            given.append(pair)
    for pair, each, corrected in zip(given, expected, holm([each.p for each in expected]), strict=True):
        assert (pair.mean, pair.low, pair.high, pair.p) == pytest.approx(each[:4])
        assert pair.p_adjusted == pytest.approx(corrected)
        assert pair.told_apart == (corrected < 0.05)
    sizes = [math.comb(n, 2) for n in shape]
    assert len(given) == sum(sizes)
    assert len(found.interactions) == sum(a * b for a, b in itertools.combinations(sizes, 2))
    ps = []
    for each in found.interactions:
        (f, g), (a, b), (c, d) = each.factors, each.first, each.second
        one = slow(arms, {f: a, g: c}) - slow(arms, {f: b, g: c})
        other = slow(arms, {f: a, g: d}) - slow(arms, {f: b, g: d})
        exact = paired_t(one, other)
        assert (each.difference.mean, each.difference.low, each.difference.p) == pytest.approx(
            (exact.mean, exact.low, exact.p)
        )
        assert each.difference.better is None
        ps.append(exact.p)
    assert [each.difference.p_adjusted for each in found.interactions] == pytest.approx(holm(ps))
    assert abs(found.largest.difference.mean) == max(abs(each.difference.mean) for each in found.interactions)


@pytest.mark.parametrize("shape", DESIGNS, ids=str)
def test_a_known_effect_is_found_with_rows_and_the_means_are_exact(shape):
    arms = arms_of(shape)
    found, _ = factorial(arms)
    pair = found["model"].effect
    assert (pair.over, pair.rows, pair.n) == ("both", 300, 4)
    assert pair.mean == pytest.approx(
        (slow(arms, {"model": pair.first}) - slow(arms, {"model": pair.second})).mean()
    )
    assert (pair.first, pair.better, pair.told_apart) == ("model 0", "model 0", True)
    assert found.largest.factors == ("model", "batch_size")
    assert found.largest.difference.excludes_zero


@pytest.mark.parametrize("shape", DESIGNS, ids=str)
def test_the_order_of_arms_and_the_names_of_levels_change_nothing(shape):
    arms = arms_of(shape)
    found, _ = factorial(arms)
    draw = rng.stream(1, "data")
    for _ in range(3):
        again, _ = factorial([arms[place] for place in draw.permutation(len(arms))])
        assert again == found
    turned = [({name: level.translate(str.maketrans("012", "210")) for name, level in levels.items()}, each)
              for levels, each in arms]  # fmt: skip
    renamed, _ = factorial(turned)
    for one, other in zip(found.effects, renamed.effects, strict=True):
        for a, b in zip(one.pairs, other.pairs, strict=True):
            assert (a.mean, a.low, a.high, a.p_adjusted) == pytest.approx(
                (b.mean, b.low, b.high, b.p_adjusted), rel=1e-9
            )


@pytest.mark.parametrize("by_row", [True, False])
@pytest.mark.parametrize("levels", [2, 4])
def test_one_factor_alone_gives_the_numbers_of_the_pairs(by_row, levels):
    arms = arms_of((levels, 1), by_row=by_row)
    alone = [({"model": each["model"]}, one) for each, one in arms]
    found, _ = factorial(alone)
    pairs, _ = differences([one for _, one in alone], [])
    assert found.interactions == []
    assert found.largest is None
    names = {one.name: each["model"] for each, one in alone}
    renamed = [each.model_copy(update={"first": names[each.first], "second": names[each.second],
                                       "better": names.get(each.better)}) for each in pairs]  # fmt: skip
    expected = {(each.first, each.second): each for each in [*renamed, *(one.swapped() for one in renamed)]}
    for pair in found["model"].pairs:
        assert pair == expected[pair.first, pair.second]


def test_a_seed_that_failed_in_one_arm_leaves_all():
    arms = arms_of((2, 2), failed=(2, 1))
    found, _ = factorial(arms)
    kept = [0, 2, 3]
    fewer = [
        (
            levels,
            scores(
                each.name, "log_loss", each.values[kept].tolist(), [{"loss": row} for row in each.rows[kept]]
            ),
        )
        for levels, each in arms
    ]
    expected, _ = factorial(fewer)
    assert (found.seeds, found.dropped, expected.dropped) == (3, 1, 0)
    assert found.effects == expected.effects
    assert found.interactions == expected.interactions
    assert "left out of all arms: 1 seed" in str(found)


def test_there_are_no_effects_without_a_full_factorial_or_a_second_seed():
    arms = arms_of((2, 2))
    assert factorial(arms[:3]) == (None, "3 arms are not all 4 combinations of their levels")
    assert factorial(arms[:1]) == (None, "no factor varies")
    assert factorial([*arms, arms[0]])[1] == "two arms have the same levels of all factors"
    one = [(levels, scores(each.name, "log_loss", each.values[:1].tolist(), [])) for levels, each in arms]
    assert factorial(one) == (None, "one seed")
    two = [(levels, scores(each.name, "log_loss", [each.values[0], math.nan if place else 1.0], []))
           for place, (levels, each) in enumerate(arms)]  # fmt: skip
    assert factorial(two) == (None, "one seed that every arm finished")
    assert factorial([*one[:3], arms[3]])[1] == "the arms have different numbers of seeds"


def test_the_frame_has_a_row_for_each_pair_and_the_text_is_readable():
    found, _ = factorial(arms_of((3, 2)))
    frame = found.frame
    assert frame.columns[:3] == ["factor", "first", "second"]
    assert frame["factor"].to_list() == ["model"] * 3 + ["batch_size"]
    assert frame["difference"].to_list() == [pair.mean for each in found.effects for pair in each.pairs]
    lines = str(found).splitlines()
    assert lines[0].startswith("model: model 0 - model 2 on log_loss: -0.2")
    assert lines[-1].startswith("largest interaction, model × batch_size: (model 0 - model 2 at ")
    assert lines[-1].endswith("detectable")
    with pytest.raises(
        UnknownNameError, match=r"unknown factor .*'optimizer'\nHint: Known: batch_size, model"
    ):
        found["optimizer"]
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_effects_over_several_test_sets_need_one_seed_each():
    arms = []
    for levels in itertools.product(range(2), range(2)):
        each = [scores("arm", "log_loss", [table.mean()], [{"loss": table[0]}])
                for table in (table_of((*levels, fold), 1, 60) for fold in range(5))]  # fmt: skip
        arms.append(({"model": str(levels[0]), "batch_size": str(levels[1])}, over_sets(each, "folds", 0.2)))
    found, reason = factorial(arms)
    assert reason == ""
    pair = found["model"].effect
    assert (pair.sets, pair.n, pair.rows, pair.better) == (5, 1, 300, "0")
    exact = np.mean([each.values.mean() for levels, each in arms if levels["model"] == "0"]) - np.mean(
        [each.values.mean() for levels, each in arms if levels["model"] == "1"]
    )
    assert pair.mean == pytest.approx(exact)
    assert found.seeds == 1


@pytest.mark.parametrize("shape", [(2, 2), (4, 3)], ids=str)
@pytest.mark.parametrize("noise", simulation.NOISE)
def test_effects_and_interactions_cover_and_claim_little(shape, noise):
    """With three seeds that have half of the variance; the rest is in ``python -m benchmarks coverage_effects``."""
    table = simulation.table_of(shape, noise, 0.5, 3)
    for weights in (simulation.main_effects(shape), simulation.interactions(shape)):
        found = simulation.tried(
            weights, 1, table, 3, simulation.ROWS, 400
        )  # standard error 1.1 points at 95 %
        assert found.lowest >= LOWEST - 0.01
        assert max(found.false, found.beside) <= FALSE + 0.02


@pytest.mark.parametrize("shape", [(3, 2), (2, 2, 2)], ids=str)
def test_the_simulation_makes_the_intervals_that_a_comparison_makes(shape):
    arms = arms_of(shape)
    found, _ = factorial(arms)
    table = np.stack([each.rows for _, each in arms])
    for weights, differences_ in (
        (simulation.main_effects(shape), [pair for each in found.effects for pair in each.pairs]),
        (simulation.interactions(shape), [each.difference for each in found.interactions]),
    ):
        parts = [crossed.parts(np.tensordot(each, table, 1)) for each in weights]
        parts = crossed.pool(parts, np.linalg.matrix_rank(weights), (weights**2).sum(1))
        expected = sorted((abs(float(each.mean)), float(crossed.half_width(each))) for each in parts)
        given = sorted((abs(each.mean), (each.high - each.low) / 2) for each in differences_)
        assert np.array(given) == pytest.approx(np.array(expected))
