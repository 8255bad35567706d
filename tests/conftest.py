"""What all tests share: a small table whose target depends on its columns, and the folder of real data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import settings

from steepest.data.dataset import Dataset
from steepest.evaluate.baselines import BaselineResult
from steepest.experiment import baselines
from steepest.sweep import timing
from steepest.sweep.baselines import Fitting
from tests.report.browser import Browser, find_browser

pytest_plugins = ["tests.commands"]
settings.register_profile("the same every time", derandomize=True, deadline=None)
settings.load_profile("the same every time")  # new examples: pytest --hypothesis-profile default


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many broken files each reader gets: few by default, 2,000 in ``make fuzz``."""
    parser.addoption(
        "--fuzz-cases", type=int, default=60, help="broken files for each reader in tests/robust"
    )


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Plan for one core: beside other tests, two threads that wait for each other are many times slower than one."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "cores", lambda: 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def _boosted_once() -> Iterator[None]:
    """Fit gradient boosting, half of a small comparison's time, once for all tests with the same data and settings."""
    fit, kept = Fitting.fit, {}

    def once(
        self: Fitting, name: str, dataset: Dataset, told: Callable[[str], None] | None = None
    ) -> BaselineResult:
        key = (self._key(name, dataset), self.threads)
        if name != "gradient-boosting" or key not in kept:
            kept[key] = fit(self, name, dataset, told)
        elif told is not None:
            told(kept[key].title)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fitting, "fit", once)
        yield


MOST_WORK = 2.0
"""What a baseline of a comparison may take, a tenth of what it may elsewhere: its settings are tested on their own."""


@pytest.fixture(scope="session", autouse=True)
def _small_budget() -> Iterator[None]:
    """Let baselines of comparisons try fewer settings."""
    whole = baselines.budget_within
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "budget_within", lambda minutes: min(MOST_WORK, whole(minutes)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """Leave files to the system: a killed process loses nothing of what it has written, and no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep thread counts and compiled steps out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEEPEST_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


SHORT = ["compare", "churn.csv", "--target", "churned", "-o", "sgd(lr=0.1)", "--seeds", "1", "--epochs", "1"]
"""A comparison that takes a second."""


def churn_table(rows: int = 600, seed: int = 0) -> pl.DataFrame:
    """Return customers who leave for reasons that a model can learn."""
    draw = np.random.default_rng(seed)
    age = draw.integers(18, 80, rows)
    plan = draw.choice(["basic", "plus", "pro"], rows)
    minutes = draw.gamma(2, 100, rows).round(1)
    score = -1 + 0.05 * (age - 45) + np.where(plan == "pro", -1.5, 0.6) - 0.006 * (minutes - 200)
    left = draw.random(rows) < 1 / (1 + np.exp(-score))
    missing = draw.random(rows) < 0.05
    return pl.DataFrame(
        {
            "age": age,
            "plan": plan,
            "minutes": [None if gone else float(value) for gone, value in zip(missing, minutes, strict=True)],
            "churned": np.where(left, "yes", "no"),
        }
    )


@pytest.fixture(scope="session")
def churn() -> pl.DataFrame:
    """600 customers."""
    return churn_table()


@pytest.fixture(scope="session")
def churn_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The customers as a file."""
    path = tmp_path_factory.mktemp("data") / "churn.csv"
    churn_table().write_csv(path)
    return path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, or a skip with the reason."""
    folder = os.environ.get("STEEPEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the real data sets: set STEEPEST_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium, or a skip; tests that have it are marked ``browser``."""
    path = find_browser()
    if path is None:
        pytest.skip("no Chromium is installed")
    with Browser(path) as started:
        yield started
