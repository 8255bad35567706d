"""Projections and measures, held against slow versions and definitions."""

from __future__ import annotations

import importlib.util
from collections import Counter

import numpy as np
import pytest

from steepest.errors import MissingExtraError, OptionError, UnknownNameError
from steepest.mapping.projection import Projected, make_projection
from steepest.mapping.quality import neighbours_of, quality_of


def vectors(rows=40, width=6, seed=0):
    draw = np.random.default_rng(seed)
    return draw.standard_normal((rows, width)) * np.arange(1, width + 1) + draw.integers(0, 2, (rows, 1)) * 5


@pytest.mark.parametrize("shape", [(40, 6), (5, 30)])
def test_principal_components_are_those_of_the_singular_value_decomposition(shape):
    data = vectors(*shape)
    found = make_projection("pca").project(data, 0)
    u, s, _ = np.linalg.svd(data - data.mean(0), full_matrices=False)
    signs = np.sign((u[:, :2] * found.places).sum(0))
    np.testing.assert_allclose(found.places, signs * u[:, :2] * s[:2], atol=1e-8)
    np.testing.assert_allclose(found.explained, s[:2] ** 2 / (s**2).sum())


def by_hand(points, values, numeric):
    """The vote, or the mean, of the five nearest other points, by all distances."""
    right, errors = 0, 0.0
    for i, point in enumerate(points):
        far = [(float(np.linalg.norm(point - other)), j) for j, other in enumerate(points) if j != i]
        near = [values[j] for _, j in sorted(far)[:5]]
        if numeric:
            errors += (sum(near) / 5 - values[i]) ** 2
        else:
            counts = Counter(near)
            best = max(counts.values())
            right += next(each for each in near if counts[each] == best) == values[i]
    if numeric:
        return 1 - errors / sum((each - np.mean(values)) ** 2 for each in values)
    return right / len(points)


@pytest.mark.parametrize("numeric", [False, True])
def test_neighbours_say_what_a_slow_version_says(numeric):
    data, places = vectors(), vectors(40, 2, seed=3)
    values = (
        data[:, 5] if numeric else np.array(["a", "b", "c"])[(data[:, 5] > 0).astype(int) + (data[:, 4] > 2)]
    )
    found = neighbours_of(data, places, values, numeric, "euclidean")
    assert found.original == pytest.approx(by_hand(data, values, numeric))
    assert found.map == pytest.approx(by_hand(places, values, numeric))
    assert found.chance == (0.0 if numeric else max(Counter(values.tolist()).values()) / 40)


def test_points_at_one_place_are_neighbours_of_each_other_and_not_of_themselves():
    """Two labels at every place, more copies than neighbours: a point that counted itself would be right more often."""
    places = np.repeat(np.arange(6.0)[:, None] * [[10.0, 0.0]], 7, axis=0)
    values = np.array([f"{i}" for i in range(42)])
    assert neighbours_of(places, places, values, False, "euclidean").original == 0.0


def test_trustworthiness_is_as_it_is_defined():
    """1 - 2 / (n k (2n - 3k - 1)) Σ (rank - k), over neighbours in the map that are none among the vectors."""
    data, places, k = vectors(30), vectors(30, 2, seed=5), 5
    lost = 0
    for i in range(30):
        original = [j for j in np.argsort(np.linalg.norm(data - data[i], axis=1), kind="stable") if j != i]
        inside = [j for j in np.argsort(np.linalg.norm(places - places[i], axis=1), kind="stable") if j != i][
            :k
        ]
        lost += sum(max(0, original.index(j) + 1 - k) for j in inside)
    found = quality_of(data, Projected(places, ""), None, False, np.random.default_rng(0))
    assert found.trustworthiness == pytest.approx(1 - 2 * lost / (30 * k * (2 * 30 - 3 * k - 1)))
    assert found.neighbours is None


def test_points_without_a_label_take_no_part_and_few_are_not_measured():
    data = vectors(30)
    some = np.array(["a", "b"] * 15, dtype=object)
    some[:10] = None
    draws = np.random.default_rng(0)
    found = quality_of(data, Projected(data[:, :2], ""), some, False, draws).neighbours
    assert found == neighbours_of(data[10:], data[10:, :2], some[10:], False, "euclidean")
    assert quality_of(data[:11], Projected(data[:11, :2], ""), None, False, draws).trustworthiness is None


def test_neighbours_of_vectors_are_by_the_distance_that_the_map_was_to_keep():
    data = np.concatenate([np.outer(np.arange(1, 11), [1.0, 0.1]), np.outer(np.arange(1, 11), [0.1, 1.0])])
    values = np.repeat(["a", "b"], 10)
    found = quality_of(
        data, Projected(data, "", "cosine"), values, False, np.random.default_rng(0)
    ).neighbours
    assert found.original == 1.0
    assert found.map < 1.0


@pytest.mark.parametrize(
    "text", ["tsne(perplexity=5, iterations=250)", "tsne(8, metric=cosine, iterations=250)"]
)
def test_a_seed_gives_the_same_map_again(text):
    projection = make_projection(text)
    first = projection.project(vectors(), 1)
    assert np.array_equal(first.places, projection.project(vectors(), 1).places)
    assert first.places.shape == (40, 2)
    assert "seed 1" in first.said
    assert first.metric in text or first.metric == "euclidean"


def test_options_that_do_not_fit_name_a_cure():
    with pytest.raises(OptionError, match="perplexity of 40 is not below the number of points, 40") as error:
        make_projection("tsne(40)").project(vectors(), 0)
    assert "tsne(perplexity=13)" in error.value.hint
    with pytest.raises(OptionError, match="15 neighbours are not below the number of points, 15"):
        make_projection("umap(15)").project(vectors(15), 0)
    with pytest.raises(UnknownNameError, match="unknown projection 'tnse'"):
        make_projection("tnse")
    with pytest.raises(OptionError, match="iterations"):
        make_projection("tsne(iterations=10)")


@pytest.mark.skipif(importlib.util.find_spec("umap") is not None, reason="umap-learn is installed")
def test_umap_that_is_not_installed_names_the_extra():
    with pytest.raises(MissingExtraError, match="umap-learn") as error:
        make_projection("umap").project(vectors(), 0)
    assert ".[umap]" in error.value.hint


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_umap_gives_the_same_map_again():
    pytest.importorskip("umap")
    projection = make_projection("umap(5)")
    first = projection.project(vectors(), 1)
    assert np.array_equal(first.places, projection.project(vectors(), 1).places)
    assert first.said == "UMAP (5 neighbours, min_dist 0.1, euclidean distances, seed 1)"
