"""Another tool's log: read in both forms, held to what it says, refused with a cure."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steepest.compare.intervals import paired_t, t_interval
from steepest.errors import DataError, OptionError, SteepestError, UnknownNameError
from steepest.report.log import read_log


def log(*, seeds: int = 4, splits: tuple[str, ...] = ("validation", "test")) -> pl.DataFrame:
    """Two optimizers; the validation loss is best at step 20 of 30, the test loss at the end."""
    draw = np.random.default_rng(5)
    rows = []
    for name, level in (("new", 0.5), ("old", 0.6)):
        for seed in range(seeds):
            off = draw.normal(0, 0.01)
            for step in (0, 10, 20, 30):
                for split in splits:
                    value = (
                        level + off + (abs(step - 20) / 50 if split == "validation" else (30 - step) / 100)
                    )
                    rows.append((name, seed, step, step / 10, step * 0.1, 0.01, split, value, 1 - value))
    columns = ["name", "seed", "step", "epoch", "seconds", "lr", "split", "log_loss", "accuracy"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def at(frame: pl.DataFrame, name: str, split: str, step: int, metric: str = "log_loss") -> list[float]:
    return frame.filter(name=name, split=split, step=step).sort("seed")[metric].to_list()


def test_the_result_is_the_test_value_at_the_best_validation_step():
    found = read_log(log(), title="t")
    row = found.rows[0]
    assert (found.winner, found.metric, row.name, row.lr, row.seeds) == ("new", "log_loss", "new", 0.01, 4)
    assert row.values["log_loss"] == at(log(), "new", "test", 20)
    assert row.values["accuracy"] == at(log(), "new", "test", 20, "accuracy")
    wanted = t_interval(at(log(), "new", "test", 20))
    assert (row.metrics["log_loss"].mean, row.metrics["log_loss"].low) == (wanted.mean, wanted.low)
    assert row.train_seconds == pytest.approx(3.0)
    assert (found.results_on, found.curves_on) == ("the test rows", "the validation rows")
    [difference] = found.differences
    paired = paired_t(at(log(), "new", "test", 20), at(log(), "old", "test", 20))
    assert (difference.mean, difference.low, difference.n) == (paired.mean, paired.low, 4)
    assert [band.mean[0] for band in found.curves] == [
        pytest.approx(np.mean(at(log(), n, "validation", 0))) for n in ("new", "old")
    ]


@pytest.mark.parametrize(
    ("splits", "step", "results_on", "warning"),
    [
        (("validation",), 20, "the validation rows", "they are optimistic"),
        (("test",), 30, "the test rows", "no validation rows"),
    ],
)
def test_with_one_split_the_report_says_what_that_means(splits, step, results_on, warning):
    found = read_log(log(splits=splits))
    assert found.rows[0].values["log_loss"] == at(log(), "new", splits[0], step)
    assert found.results_on == found.curves_on == results_on
    assert warning in " ".join(found.warnings)


def test_without_a_split_the_last_step_is_the_result():
    found = read_log(log(splits=("test",)).drop("split", "epoch", "seconds", "lr"))
    assert found.rows[0].values["log_loss"] == at(log(), "new", "test", 30)
    assert found.rows[0].lr is None
    assert "does not say which rows" in " ".join(found.warnings)


def test_a_test_set_that_was_read_once_belongs_to_the_best_step():
    once = log().filter((pl.col("split") == "validation") | (pl.col("step") == 30))
    assert read_log(once).rows[0].values["log_loss"] == at(log(), "new", "test", 30)


def test_the_long_form_is_the_same():
    wide = log()
    long = wide.unpivot(
        ["log_loss", "accuracy"], index=wide.columns[:7], variable_name="metric", value_name="value"
    )
    assert read_log(long, title="t") == read_log(wide, title="t").model_copy(
        update={"data": read_log(long).data}
    )


def test_files_of_every_kind(tmp_path):
    log().write_csv(tmp_path / "runs.csv")
    log().write_parquet(tmp_path / "runs.parquet")
    one, other = (read_log(tmp_path / name, title="t") for name in ("runs.csv", "runs.parquet"))
    assert one.rows == other.rows


def test_a_diverged_run_has_no_result_and_is_counted():
    broken = log().with_columns(
        pl.when((pl.col("seed") == 1) & (pl.col("step") == 30) & (pl.col("name") == "old"))
        .then(math.nan).otherwise("log_loss").alias("log_loss")
    )  # fmt: skip
    row = next(row for row in read_log(broken).rows if row.name == "old")
    assert row.outcome == "diverged 1 of 4"
    assert [math.isnan(each) for each in row.values["log_loss"]] == [False, True, False, False]
    assert read_log(broken).differences[0].n == 3


@pytest.mark.parametrize("splits", [("validation", "test"), ("test",)])
def test_an_optimizer_with_diverged_runs_does_not_win(splits):
    """Though the runs that it has left are better."""
    broken = log(splits=splits).with_columns(
        pl.when((pl.col("seed") == 1) & (pl.col("step") == 30) & (pl.col("name") == "new"))
        .then(math.nan).otherwise("log_loss").alias("log_loss")
    )  # fmt: skip
    found = read_log(broken)
    assert found.winner == "old"
    assert [row.name for row in found.rows] == ["old", "new"]
    assert read_log(log(splits=splits)).winner == "new"


def test_optimizers_without_a_seed_in_common_are_not_compared_but_both_finished():
    """Their values and the difference of their means are shown, without an interval and without a claim."""
    apart = log().with_columns(
        pl.when(pl.col("name") == "old").then(pl.col("seed") + 10).otherwise("seed").alias("seed")
    )
    found = read_log(apart)
    [difference] = found.differences
    assert (difference.ends, difference.p, difference.told_apart, difference.n) == (None, None, False, 0)
    assert difference.reason == "no seed in common"
    means = {row.name: row.metrics["log_loss"].mean for row in found.rows}
    assert difference.mean == pytest.approx(means["new"] - means["old"])
    assert "no seed in common" in found.sentence
    assert "only optimizer" not in found.sentence
    assert [row.outcome for row in found.rows] == ["finished", "finished"]


def test_seeds_pair_by_their_number_not_by_their_place():
    fewer = log().filter((pl.col("name") == "new") | (pl.col("seed") > 1))
    found = read_log(fewer)
    assert found.differences[0].n == 2
    assert found.differences[0].mean == pytest.approx(
        np.subtract(at(log(), "new", "test", 20)[2:], at(log(), "old", "test", 20)[2:]).mean()
    )
    assert "old (2 of 4)" in " ".join(found.warnings)


DIRECTIONS = [
    ("val_loss", None, "low"),
    ("top1_acc", None, "high"),
    ("thing:higher", "thing", "high"),
    ("thing:lower", "thing", "low"),
    ("log_loss:higher", "log_loss", "high"),
]


@pytest.mark.parametrize(("metric", "column", "winner"), DIRECTIONS)
def test_the_better_direction(metric, column, winner):
    name = column or metric
    found = read_log(
        {
            "name": ["low"] * 2 + ["high"] * 2,
            "seed": [0, 1, 0, 1],
            "step": [1] * 4,
            name: [1.0, 1.1, 2.0, 2.2],
        },
        metric=metric,
    )
    assert found.winner == winner
    assert found.differences[0].better == winner or not found.differences[0].told_apart
    assert found.effects[0].size > 0


def test_percent_only_where_the_values_are_shares():
    shares = {"name": ["a", "a"], "seed": [0, 1], "step": [1, 1], "accuracy": [0.9, 0.91]}
    assert read_log(shares).metrics[0].percent
    assert not read_log({**shares, "accuracy": [90.0, 91.0]}).metrics[0].percent


def test_what_has_no_direction_is_left_out_and_said():
    found = read_log(log().with_columns(gradient=pl.lit(0.5)))
    assert [each.name for each in found.metrics] == ["log_loss", "accuracy"]
    assert "gradient" in " ".join(found.warnings)


GOOD = "name,seed,step,loss\na,0,1,0.5\na,1,1,0.6\nb,0,1,0.7\nb,1,1,0.8\n"
WRONG = [
    ("no name", GOOD.replace("name", "who"), None, DataError, "no column 'name'", "who, seed, step, loss"),
    ("no step", GOOD.replace("step", "iteration"), None, DataError, "no column 'step'", "begins like"),
    ("no seeds", "name,step,loss\na,1,0.5\n", None, DataError, "no column 'seed'", "write 0 everywhere"),
    ("an empty seed", GOOD.replace("a,1,1", "a,,1"), None, DataError, "row 3", "seed"),
    ("a seed that is no number", GOOD.replace("a,1,1", "a,one,1"), None, DataError, "'one' in row 3", "whole number"),
    ("half a step", GOOD.replace("b,1,1", "b,1,1.5"), None, DataError, "1.5", "whole number"),
    ("a negative step", GOOD.replace("b,1,1", "b,1,-1"), None, DataError, "-1", "from 0"),
    ("a value that is no number", GOOD.replace("0.7", "low"), None, DataError, "'low' in row 4", "number"),
    ("twice", GOOD + "a,0,1,0.4\n", None, DataError, "'a', seed 0, step 1, loss", "different names"),
    ("no metric", "name,seed,step\na,0,1\n", None, DataError, "no metric", "column of numbers"),
    ("only words", "name,seed,step,note\na,0,1,fine\n", None, DataError, "no metric", "column of numbers"),
    ("an unknown split", "name,seed,step,loss,split\na,0,1,0.5,dev\n", None, DataError, "'dev'", "test or"),
    ("training only", "name,seed,step,loss,split\na,0,1,0.5,train\n", None, DataError, "training rows", "split = test"),
    ("half a long form", "name,seed,step,metric\na,0,1,loss\n", None, DataError, "no column 'value'", "both"),
    ("no rows", "name,seed,step,loss\n", None, DataError, "no rows", ""),
    ("an unknown metric", GOOD, "los", UnknownNameError, "'los'", "did you mean 'loss'"),
    ("no direction", GOOD.replace("loss", "thing"), None, OptionError, "'thing'", "thing:higher"),
    ("a wrong direction", GOOD, "loss:up", OptionError, "'up'", "loss:lower"),
    ("two columns of one name", GOOD.replace("loss", "Seed"), None, DataError, "'seed'", "one of them"),
    ("an infinite seed", GOOD.replace("a,1,1", "a,1e999,1"), None, DataError, "row 3", "whole number"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "metric", "kind", "fact", "hint"), [each[1:] for each in WRONG], ids=[e[0] for e in WRONG]
)
def test_wrong_logs_are_refused_with_a_cure(content, metric, kind, fact, hint, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(content)
    with pytest.raises(SteepestError) as caught:
        read_log(path, metric=metric)
    assert isinstance(caught.value, kind)
    assert fact in caught.value.fact, caught.value
    assert hint in caught.value.hint, caught.value


def test_on_the_command_line(steepest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log().write_csv("runs.csv")
    said = steepest("report", "--from", "runs.csv", "--metric", "accuracy")
    assert said.status == 0, said.err
    assert "Use new: accuracy" in said.out
    assert "runs.html" in said.out
    assert "accuracy on the validation rows during training" in Path("runs.html").read_text(encoding="utf-8")
    assert "read once" not in Path("runs.html").read_text(encoding="utf-8")
    said = steepest("report", "--from", "rums.csv")
    assert said.status == 2
    assert "did you mean 'runs.csv'" in said.err


@pytest.mark.parametrize(
    ("column", "title", "higher"),
    [
        ("positive_f1", "positive F1", True),
        ("positive_average_precision", "positive average precision", True),
        ("brier_score", "Brier score", False),
        ("brier", "Brier score", False),
        ("f1", "F1", True),  # whose, the log does not say
        ("average_precision", "average precision", True),
    ],
)
def test_a_metric_that_steepest_has_is_known_by_its_name(column, title, higher):
    frame = log().drop("log_loss").rename({"accuracy": column})
    found = read_log(frame, metric=column)
    assert (found.metrics[0].title, found.metrics[0].higher_is_better) == (title, higher)
    assert found.winner == ("old" if higher is False else "new")
