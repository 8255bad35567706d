"""Small ratings with titles, and a comparison of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steepest.cli import main

USERS, ITEMS = 12, 20


@pytest.fixture(scope="session")
def ratings_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """180 ratings by 12 users of 20 films, and their titles beside them in ``movies.csv``."""
    folder, draw = tmp_path_factory.mktemp("ratings"), np.random.default_rng(1)
    pairs = draw.permutation(USERS * ITEMS)[:180]
    user, item = 500 + pairs // ITEMS, 1 + pairs % ITEMS
    taste = draw.standard_normal((2, USERS)).T @ draw.standard_normal((2, ITEMS))
    ratings = np.clip(np.round(2 * (3.0 + taste[pairs // ITEMS, pairs % ITEMS])) / 2, 0.5, 5.0)
    rows = pl.DataFrame(
        {"userId": user, "movieId": item, "rating": ratings, "timestamp": draw.permutation(180)}
    )
    rows.write_csv(folder / "ratings.csv")
    titles = [f"Film {each} (19{each + 50})" for each in range(1, ITEMS)] + ["Toy Story (1995)"]
    pl.DataFrame({"movieId": range(1, ITEMS + 1), "title": titles}).write_csv(folder / "movies.csv")
    return folder / "ratings.csv"


def command(ratings_csv: Path, out: Path) -> list[str]:
    """The command that compares these ratings."""
    arguments = ["compare", ratings_csv, "--user", "userId", "--item", "movieId", "--rating", "rating"]
    arguments += ["--titles", ratings_csv.with_name("movies.csv"), "--range", "0.5,5"]
    arguments += ["--model", "dot-bias(factors=3, start=0.3)", "-o", "sgd(lr=0.5)", "--epochs", "4"]
    arguments += ["--seeds", "1", "--compile", "off", "--batch-size", "16", "--out", out]
    return [str(each) for each in arguments]


@pytest.fixture(scope="session")
def compared(ratings_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison of these ratings, without baselines."""
    out = tmp_path_factory.mktemp("runs") / "ratings"
    assert main([*command(ratings_csv, out), "--baseline", "none"]) == 0
    return out
