"""Whether the gradient boosting of a comparison is within 1 % of a carefully tuned one, on six tables.

The tuned one is scikit-learn's histogram gradient boosting with settings drawn at random: learning rate, leaves, rows
in a leaf, penalty, features for a split, bins, and how categories are read (split natively, as numbers where they are
numbers, or by target encoding). Each is stopped by the validation rows, on which the best is chosen; both are measured
on the test rows. Large tables are sampled, and ``--rows`` limits the training rows of all. The diamonds are read from
the package plotnine, where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.resources
import importlib.util
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.machine import describe_machine
from steepest import rng
from steepest.data.dataset import Dataset
from steepest.data.table import Table, read_table
from steepest.data.variants import Variant
from steepest.evaluate.baselines import run_baselines
from steepest.evaluate.baselines._features import Features
from steepest.evaluate.baselines.gradient_boosting import CandidateRows

MOST_WORSE = 0.01
ROWS = {"covertype": 40_000, "crimes-2018": 25_000}
PATIENCE, MOST_TREES = 30, 2000
READINGS = ("categories", "numbers", "encoded")


def table(name: str, train_rows: int) -> Dataset | None:
    """Return a table with so many training rows, or with all if it has fewer; None if it is not on this machine."""
    found = sampled(name)
    if found is None or len(found.dataset().train) <= train_rows:
        return found and found.dataset()
    return found.vary(Variant(str(train_rows)))[0]


def sampled(name: str) -> Table | None:
    """Return a table, sampled if it is large; None if it is not on this machine."""
    if name == "diamonds":
        if importlib.util.find_spec("plotnine") is None:
            return None
        path = importlib.resources.files("plotnine") / "data" / "diamonds.csv"
        return read_table(str(path), target="price")
    found = read_table(name)
    if name not in ROWS:
        return found
    data = found.dataset()
    used = {each.removesuffix(" is missing") for each in (*data.shape.cardinalities, *data.shape.continuous)}
    rows = found.prepared().drop("split").sample(ROWS[name], seed=0)
    kept = [
        each for each in rows.columns if each in used or any(part.startswith(f"{each} ") for part in used)
    ]
    categorical = [each for each in kept if each in data.shape.cardinalities]
    return read_table(rows.select(*kept, found.target), target=found.target, categorical=categorical)


def settings(trials: int) -> Iterator[dict[str, Any]]:
    """Yield settings of scikit-learn's estimators, drawn at random, with the ``reading`` of the columns."""
    draw = rng.stream(0, "tuning")
    for _ in range(trials):
        yield {
            "learning_rate": math.exp(draw.uniform(math.log(0.03), math.log(0.25))),
            "max_leaf_nodes": int(math.exp(draw.uniform(math.log(6), math.log(100)))),
            "min_samples_leaf": int(math.exp(draw.uniform(math.log(3), math.log(80)))),
            "l2_regularization": math.exp(draw.uniform(math.log(0.05), math.log(50))),
            "max_features": float(draw.choice([0.2, 0.3, 0.5, 0.7, 1.0])),
            "max_bins": int(draw.choice([63, 127, 255])),
            "reading": str(draw.choice(READINGS)),
        }


def tuned(data: Dataset, trials: int) -> tuple[float, float]:
    """Return the loss of the best on validation on the test rows, and the seconds of a core."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rows = CandidateRows.of(data, None)
    start, best = time.process_time(), (math.inf, math.inf)
    made = {each: Features(data, rows.target, rows.classes, 0, reading=each) for each in READINGS}
    present = np.unique(data.train.target.numpy()) if rows.classes else None
    for each in settings(trials):
        features = made[each.pop("reading")]
        native = features.native if any(features.native) else None
        if native is not None:
            each["max_bins"] = 255
        kind: Any = HistGradientBoostingClassifier if rows.classes else HistGradientBoostingRegressor
        model = kind(
            **each, max_iter=MOST_TREES, early_stopping=True, n_iter_no_change=PATIENCE, scoring="loss",
            categorical_features=native, random_state=0,
        )  # fmt: skip
        held = features.of(data.validation)[rows.held]
        model.fit(features.train, rows.target, X_val=held, y_val=rows.held_target)
        count = max(1, int(np.argmax(model.validation_score_)))
        del model._predictors[count:]
        cost = -float(model.validation_score_[count])
        if cost < best[0]:
            best = cost, loss(model, features.of(data.test), data, present)
    return best[1], time.process_time() - start


def loss(model: Any, x: NDArray[Any], data: Dataset, present: NDArray[Any] | None) -> float:
    """Return the log loss, or the root of the mean squared error in the target's unit, on the test rows."""
    truth = data.test.target.numpy()
    if present is None:
        return float(np.sqrt(np.mean((model.predict(x) - truth) ** 2))) * data.target_scale.sd
    known = np.isin(truth, present)
    shares = model.predict_proba(x[known])[np.arange(known.sum()), np.searchsorted(present, truth[known])]
    return float(-np.log(shares).mean())


def main(arguments: Sequence[str]) -> int:
    """Print the table; return 1 if ours is more than 1 % worse on one of the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks baselines")
    parser.add_argument("--trials", type=int, default=20, help="settings that the tuned one tries")
    parser.add_argument("--rows", type=int, default=10_000, help="the most training rows of a table")
    names = ["bikeshare", "adult", "flights", "diamonds", "covertype", "crimes-2018"]
    parser.add_argument("--tables", nargs="+", default=names, choices=names)
    given = parser.parse_args(arguments)
    print(
        f"{describe_machine('scikit-learn')}; {given.trials} settings at random, at most {given.rows:,} training rows\n"
    )
    print(
        "| table | training rows | metric | ours | tuned | ours is worse by | ours, s of a core | tuned, s of a core |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    holds = True
    for name in given.tables:
        data = table(name, given.rows)
        if data is None:
            print(f"| {name} | not on this machine | | | | | | |", flush=True)
            continue
        metric = "log_loss" if data.classes else "rmse"
        with threadpool_limits(limits=1):
            [ours] = run_baselines(data, names=["gradient-boosting"], seed=0, metrics=[metric])
            peer, seconds = tuned(data, given.trials)
        worse = ours.test[metric] / peer - 1
        holds &= worse <= MOST_WORSE
        print(
            f"| {name} | {len(data.train):,} | {metric} | {ours.test[metric]:.4f} | {peer:.4f} | {worse:+.2%} | "
            f"{ours.cpu_seconds:.1f} | {seconds:.0f} |",
            flush=True,
        )
    print("\nAll that is required holds." if holds else "\nNot all that is required holds.")
    return 0 if holds else 1
