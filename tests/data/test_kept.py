"""Datasets of a comparison in memory: made once while they fit, and again when they were dropped."""

from __future__ import annotations

import pytest

from steepest.data.table import read_table
from steepest.data.variants import Variant
from steepest.experiment import data as experiment_data
from steepest.experiment.data import Datasets
from tests.conftest import churn_table


@pytest.mark.parametrize(("most", "made_again"), [(1 << 28, 0), (0, 6)])
def test_variants_are_made_again_only_where_they_do_not_fit(most: int, made_again: int, monkeypatch) -> None:
    monkeypatch.setattr(experiment_data, "MOST_BYTES", most)
    made: list[Variant] = []
    plain = Datasets._make
    monkeypatch.setattr(
        Datasets, "_make", lambda self, variant, fold: (made.append(variant), plain(self, variant, fold))[1]
    )
    datasets = Datasets(read_table(churn_table(200), target="churned"))
    names = [datasets.fingerprint(Variant(each), 0) for each in ("0.5", "0.8")]
    assert len(made) == 3
    for _ in range(3):
        for name in names:
            assert datasets[name].fingerprint == name
    assert len(made) == 3 + made_again
    assert datasets[datasets.first.fingerprint].fingerprint == datasets.first.fingerprint
    assert len(made) == 3 + made_again
