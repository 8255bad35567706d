"""What a person does: compare, look at the folder, predict elsewhere, go on, add, describe, list."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import tomli_w
import torch

import steepest as st
from steepest.data.options import TableOptions
from steepest.record.store import Folder
from steepest.report.text import COSTS
from steepest.sweep.observer import Observer
from tests.cli.conftest import QUICK

FILES = {
    "arms", "baselines", "checkpoints", "curves.arrow", "experiment.toml", "journal.jsonl", "model", "predictions",
    "report.html", "results.csv", "results.json", "rows",
}  # fmt: skip


def runs(folder: Path) -> list[tuple]:
    return [(r.key.name, r.key.phase, r.key.seed) for r in Folder(folder).records()]


def test_the_folder(finished) -> None:
    assert {each.name for each in finished.iterdir()} == FILES
    tree = tomllib.loads((finished / "experiment.toml").read_text())
    [cell] = tree["plan"]["cells"].values()
    assert cell["executor"] == "dense"
    assert cell["threads"] >= 1
    assert tree["data"]["target"] == "churned"
    curves = pl.read_ipc(finished / "curves.arrow")
    assert {"name", "phase", "seed", "lr", "step", "metric", "value"} <= set(curves.columns)
    assert set(curves["metric"]) == {"train_loss", "log_loss", "accuracy"}


def test_results_csv(finished) -> None:
    with (finished / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    kinds = [(row["kind"], row["name"]) for row in rows]
    assert len(kinds) == len(set(kinds))
    assert {kind for kind, _ in kinds} == {"arm", "default", "baseline"}
    head = list(rows[0])
    assert head[:5] == ["kind", "name", "lr", "seeds", "outcome"]
    assert head[5:8] == ["log_loss", "log_loss_low", "log_loss_high"]
    assert head[-6:] == ["train_seconds", "cpu_seconds", "peak_memory", "gradients", "products", "forwards"]
    for row in rows:
        assert float(row["cpu_seconds"]) > 0
        assert int(row["peak_memory"]) > 50_000_000
    for row in rows:
        if row["kind"] != "baseline":
            assert float(row["log_loss_low"]) <= float(row["log_loss"]) <= float(row["log_loss_high"])
        assert row["seeds"] == ("1" if row["kind"] == "baseline" else "2")


def test_the_sentence_follows_from_the_numbers(finished) -> None:
    comparison = st.Result.load(finished).comparison
    best = min(
        (row for row in comparison.rows if row.kind == "arm"),
        key=lambda row: row.metrics["log_loss"].mean,
    )
    assert comparison.sentence.startswith("No network beats the majority class ")
    assert comparison.recommended == "gradient boosting"
    assert ". Use gradient boosting: log loss " in comparison.sentence
    assert f" than the network trained with {comparison.winner} (" in comparison.sentence
    assert best.name == comparison.winner or best.name in " ".join(comparison.remarks)
    found = next(
        each
        for each in comparison.differences
        if each.over == "both" and each.second == "logistic regression"
    )
    assert found.reason == "60 test rows, fewer than 100"
    told = comparison.sentence.partition(", better on validation (")[2]
    assert f"no difference can be established: {found.reason}." in told
    assert "p =" not in str(found)
    assert "logistic regression" in comparison.sentence.lower()
    assert (found.n, found.rows) == (2, 60)
    assert {(each.metric, each.over) for each in comparison.differences} == {
        ("log_loss", "both"),
        ("accuracy", "both"),
    }
    assert [each.wins + each.ties + each.losses + each.untested for each in comparison.standings] == [1, 1]
    assert (found.p, found.p_adjusted, found.told_apart) == (None, None, False)


def test_predicts_the_same_bits_in_another_process(finished, churn_csv, tmp_path) -> None:
    here = st.load(finished).predict_proba(churn_csv)
    code = (
        "import sys, numpy, torch, steepest as st; torch.set_num_threads(1); "
        "numpy.save(sys.argv[3], st.load(sys.argv[1]).predict_proba(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, finished, churn_csv, tmp_path / "p.npy"], check=True)
    assert np.array_equal(here, np.load(tmp_path / "p.npy"))
    assert np.allclose(here.sum(1), 1)


def test_predict_writes_a_row_for_each_row_and_counts_the_unseen(steepest, finished, tmp_path) -> None:
    rows = pl.DataFrame(
        {"age": [30, 40_000, 50], "plan": ["pro", "gold", "silver"], "minutes": [100.0, None, 3.0]}
    )
    rows.write_parquet(tmp_path / "new.parquet")
    assert st.load(finished).predict(tmp_path / "new.parquet").outside == {"age": 1}
    for ending, read in ((".parquet", pl.read_parquet), (".csv", pl.read_csv), (".feather", pl.read_ipc)):
        out = tmp_path / f"p{ending}"
        said = steepest("predict", finished, tmp_path / "new.parquet", "--out", out)
        assert said.status == 0
        assert "2 values of plan were not seen in training ('gold', 'silver')" in said.err
        assert "1 value of age lies outside the range of training by more than its width (40000; " in said.err
        table = read(out)
        assert table.columns == ["prediction", "probability", "p_no", "p_yes"]
        assert table.height == 3
        assert set(table["prediction"]) <= {"no", "yes"}


def test_predict_tells_gaps_from_news_and_reads_dates_however_written(steepest, tmp_path) -> None:
    moments = pl.Series("when", [datetime(2018, 1, 1) + timedelta(hours=7 * i) for i in range(400)])
    day = moments.dt.hour().is_between(8, 18)
    rows = pl.DataFrame({"when": moments, "x": [i / 7 for i in range(400)], "y": day.cast(pl.String)})
    american = rows.with_columns(pl.col("when").dt.to_string("%m/%d/%Y %I:%M %p"))
    american.write_csv(tmp_path / "train.csv")
    done = steepest("compare", tmp_path / "train.csv", "--target", "y", "-o", "adam(lr=0.03)", "--epochs", "8",
                    *QUICK[:2], *QUICK[4:], "--out", tmp_path / "run")  # fmt: skip
    assert done.status == 0

    def predicted(frame: pl.DataFrame) -> tuple[Any, pl.DataFrame]:
        frame.write_parquet(tmp_path / "new.parquet")
        said = steepest(
            "predict", tmp_path / "run", tmp_path / "new.parquet", "--out", tmp_path / "p.parquet"
        )
        return said, pl.read_parquet(tmp_path / "p.parquet")

    expected = predicted(american)[1]
    assert (expected["prediction"] == rows["y"]).mean() > 0.95
    for frame in (rows, rows.with_columns(pl.col("when").dt.to_string("%d.%m.%Y %H:%M"))):
        said, found = predicted(frame)
        assert "values" not in said.err
        assert found.equals(expected)
    texts = ["soon", "32/13/2018", None, *american["when"][3:].to_list()]
    few = pl.when(pl.int_range(400) > 7).then("x").alias("x")
    said, _ = predicted(rows.with_columns(pl.Series("when", texts), few))
    assert "2 values of when could not be read as dates and count as missing\n" in said.err
    assert "1 value of when is missing; none was missing in training\n" in said.err
    assert "8 values of x are missing; none was missing in training\n" in said.err
    assert "not seen" not in said.err
    said, _ = predicted(rows.with_columns(pl.col("when").dt.replace_time_zone("UTC")))
    assert said.status == 2
    assert "the times in column 'when' have a time zone (UTC), but had none in training" in said.err


def test_the_saved_model_is_the_tested_one(finished, churn) -> None:
    """Test metrics that are printed are those of the weights that are saved."""
    about = json.loads((finished / "model" / "model.json").read_text())
    checkpoint = safetensors.torch.load(
        (
            finished / "checkpoints" / f"{about['trained']['recipe']}-{about['trained']['seed']}.safetensors"
        ).read_bytes()
    )
    weights = safetensors.torch.load((finished / "model" / "model.safetensors").read_bytes())
    assert all((checkpoint[name] == weights[name]).all() for name in weights)
    data = st.read_table(churn, target="churned").dataset()
    found = st.load(finished / "model")
    outputs = found.net(*data.test.inputs).detach().double()
    loss = -outputs.log_softmax(1).gather(1, data.test.target[:, None]).mean()
    assert float(loss) == pytest.approx(about["trained"]["test"]["log_loss"], rel=1e-6)


def test_the_same_command_again_runs_nothing(steepest, copied, churn_csv) -> None:
    before = runs(copied)
    results = (copied / "results.csv").read_text()
    said = steepest(
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "adam(lr=0.01),sgd(lr=0.1)",
        *QUICK,
        "--out",
        copied,
    )
    assert said.status == 0
    assert runs(copied) == before
    assert (copied / "results.csv").read_text() == results
    assert steepest("resume", copied).status == 0
    assert runs(copied) == before


def test_another_optimizer_runs_only_what_is_new(steepest, copied, churn_csv) -> None:
    before = runs(copied)
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01)", "-o", "sgd(lr=0.1)", "-o",
                    "quickprop(lr=0.01)", *QUICK, "--out", copied)  # fmt: skip
    assert said.status == 0
    new = runs(copied)[len(before) :]
    assert {name for name, phase, _ in new if phase != "constant"} == {"quickprop(lr=0.01)"}
    assert "quickprop" in said.out


def test_another_optimizer_alone_joins_those_of_the_folder(steepest, copied, churn_csv) -> None:
    before = runs(copied)
    said = steepest(
        "compare", churn_csv, "--target", "churned", "-o", "quickprop(lr=0.01)", *QUICK, "--out", copied
    )
    assert said.status == 0
    assert "adam(lr=0.01), sgd(lr=0.1): already in this folder, kept in the comparison" in said.err
    new = runs(copied)[len(before) :]
    assert {name for name, phase, _ in new if phase != "constant"} == {"quickprop(lr=0.01)"}
    rows = pl.read_csv(copied / "results.csv").filter(pl.col("kind") == "arm")["name"]
    assert set(rows) == {"adam(lr=0.01)", "sgd(lr=0.1)", "quickprop(lr=0.01)"}


def test_naming_the_default_metric_changes_nothing(steepest, copied, churn_csv) -> None:
    before = runs(copied)
    given = ["compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01)", *QUICK, "--out", copied]
    said = steepest(*given, "--metric", "log_loss")
    assert "sgd(lr=0.1): already in this folder, kept in the comparison" in said.err
    assert runs(copied) == before
    said = steepest(*given, "--metric", "accuracy")
    assert "warning: sgd(lr=0.1): in this folder, but trained with other settings" in said.err


@pytest.mark.parametrize(("given", "fact", "hint"), [
    (["--epochs", "-1"], "--epochs '-1' is not allowed", "it must be greater than 0."),
    (["--seeds", "abc"], "--seeds 'abc' is not allowed", "it must be a whole number."),
    (["--batch-size", "1"], "--batch-size '1' is not allowed", "it must be greater than or equal to 2, or 'all'."),
    (["--precision", "bf17"], "--precision 'bf17' is not allowed",
     "it must be 'float32', 'tf32', 'bf16' or 'float64'."),
])  # fmt: skip
def test_a_wrong_flag_is_named_as_it_was_given(steepest, churn_csv, tmp_path, given, fact, hint) -> None:
    said = steepest("compare", churn_csv, "--target", "churned", *given, "--out", tmp_path / "run")
    assert said.status == 2
    assert said.err.splitlines()[-2:] == [f"error: {fact}", f"Hint: {hint}"]
    assert not (tmp_path / "run").exists()


def test_a_file_is_no_folder(steepest, churn_csv, tmp_path) -> None:
    file = tmp_path / "taken"
    file.write_text("")
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "sgd(lr=0.1)", *QUICK, "--out", file)
    assert said.status == 2
    assert f"cannot write into '{file}': it is a file" in said.err


def test_tf32_is_refused_on_a_cpu_before_anything_is_read_or_made(steepest, churn_csv, tmp_path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    out = tmp_path / "run"
    said = steepest("compare", churn_csv, "--target", "churned", "--precision", "tf32", "--out", out)
    assert said.status == 2
    assert "the precision 'tf32' needs a CUDA device" in said.err
    assert not out.exists()


def test_what_was_trained_otherwise_is_left_out_and_said(steepest, copied, churn_csv) -> None:
    other = [*QUICK, "--batch-size", "64"] if "--batch-size" not in QUICK else [*QUICK, "--clip", "1.0"]
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "sgd(lr=0.2)", *other, "--out", copied)
    assert said.status == 0
    assert "warning: adam(lr=0.01), sgd(lr=0.1): in this folder, but trained with other settings" in said.err
    assert steepest("export", copied, "--format", "csv,text").status == 0
    curves = pl.read_csv(copied / "export" / "curves.csv")
    assert set(curves["name"]) <= {"sgd(lr=0.2)", "pilot"}


class Stop(Observer):
    """Interrupts after so many runs."""

    def __init__(self, after: int) -> None:
        self.left = after

    def run(self, record) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_interrupted_and_resumed_gives_the_same_results(steepest, finished, churn_csv, tmp_path) -> None:
    data = st.read_table(churn_csv, target="churned")
    plan = st.plan(
        data, optimizers=["adam(lr=0.01)", "sgd(lr=0.1)"], seeds=2, epochs=1, batch_size=64, hidden=(8,)
    )
    for after in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            plan.run(tmp_path / "x", observer=Stop(after))
    assert steepest("resume", tmp_path / "x").status == 0
    columns = [each for each in st.Result.load(finished).table.columns if each not in COSTS]
    again, once = (st.Result.load(each).table.select(columns) for each in (tmp_path / "x", finished))
    assert again.equals(once)
    assert sorted(runs(tmp_path / "x")) == sorted(runs(finished))


NET = """
import torch

class MyNet(torch.nn.Module):
    def __init__(self, shape, width=4):
        super().__init__()
        self.embedding = torch.nn.EmbeddingBag(sum(shape.cardinalities.values()) + 1, width, mode="sum")
        self.head = torch.nn.Linear(width + len(shape.continuous), shape.outputs)

    def forward(self, categorical, continuous):
        return self.head(torch.cat([self.embedding(categorical), continuous], 1))
"""


def test_a_users_own_model(steepest, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NET)
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01)", "--seeds", "1", "--epochs", "1",
                    "--model", "nets.py:MyNet(width=3)", "--print-model", "--baseline", "none",
                    "--out", "x")  # fmt: skip
    assert said.status == 0
    assert "EmbeddingBag(5, 3" in said.err
    assert "nets.py:MyNet(width=3)" in (tmp_path / "x" / "report.html").read_text()
    said = steepest("predict", "x", churn_csv, "--out", "p.csv")
    assert said.status == 2
    assert said.err.endswith(
        "not run unasked\nHint: give it again, if you trust it: --model 'nets.py:MyNet(width=3)'.\n"
    )
    with pytest.raises(st.SteepestError) as error:
        st.load("x")
    hint = "Hint: give it again, if you trust it: model='nets.py:MyNet(width=3)'."
    assert str(error.value).endswith(hint)
    made, arguments = error.value.__reduce__()  # in another process
    assert str(made(*arguments)) == str(error.value)
    assert (
        steepest("predict", "x", churn_csv, "--out", "p.csv", "--model", "nets.py:MyNet(width=3)").status == 0
    )
    assert pl.read_csv("p.csv").height == 600


def offered(folder: Path) -> dict[str, str]:
    """What the report offers to copy, by its label."""
    return {each.label: each.value for each in st.Result.load(folder).comparison.use}


def carried_out(python: str) -> object:
    """The value of the last line of a piece of Python."""
    *lines, last = python.splitlines()
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    return eval(last, names)


@pytest.mark.parametrize("model", [None, "nets.py:MyNet(width=3)"])
@pytest.mark.parametrize("target", ["churned", "minutes"])
def test_what_the_report_offers_works_as_it_stands(
    steepest, churn_csv, tmp_path, monkeypatch, model, target
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NET)
    pl.read_csv(churn_csv).head(7).write_csv("new.csv")
    more = [] if model is None else ["--model", model]
    quick = QUICK if model is None else QUICK[:-2]  # --hidden is not for it
    said = steepest(
        "compare", churn_csv, "--target", target, "-o", "sgd(lr=0.01)", *quick, *more, "--out", "x"
    )
    assert said.status == 0, said.err
    shown = [line for line in said.out.splitlines() if line.startswith("predict  ")]
    assert shown == [f"predict  {offered(Path('x'))['command']}"]
    assert steepest(*shlex.split(shown[0])[2:]).status == 0
    assert pl.read_parquet("predictions.parquet").height == 7
    found = carried_out(offered(Path("x"))["Python"])
    assert found.shape == ((7, 2) if target == "churned" else (7,))


def test_what_the_report_offers_for_a_callable(churn, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("my_nets.py").write_text(NET)
    churn.head(7).write_csv("new.csv")
    from my_nets import MyNet

    options = {
        "target": "churned",
        "optimizers": ["sgd(lr=0.01)"],
        "seeds": 1,
        "epochs": 1,
        "baseline": "none",
    }
    st.plan(churn, model=MyNet, **options).run("named", observer=Observer())
    assert "command" not in offered(Path("named"))
    assert carried_out(offered(Path("named"))["Python"]).shape == (7, 2)

    st.plan(churn, model=lambda shape: MyNet(shape, 3), **options).run("unnamed", observer=Observer())
    with pytest.raises(st.SteepestError, match="trust it: the same callable as model="):
        st.load("unnamed")
    python = offered(Path("unnamed"))["Python"]
    assert carried_out(
        f"from my_nets import MyNet\nbuild = lambda shape: MyNet(shape, 3)\n{python}"
    ).shape == (7, 2)


def test_a_callable_model_in_python(churn, tmp_path) -> None:
    import torch

    def net(shape):
        return torch.nn.Sequential(Second(), torch.nn.Linear(len(shape.continuous), shape.outputs))

    class Second(torch.nn.Module):
        def forward(self, categorical, continuous):
            return continuous

    class Both(torch.nn.Sequential):
        def forward(self, categorical, continuous):
            return self[1](self[0](categorical, continuous))

    data = st.read_table(churn, target="churned")
    plan = st.plan(
        data, optimizers=["adam(lr=0.01)"], seeds=1, epochs=1, model=lambda shape: Both(*net(shape))
    )
    result = plan.run(tmp_path / "x", observer=Observer())
    assert result.best.predict_proba(churn).shape == (600, 2)


def test_ten_lines_of_python(churn, tmp_path) -> None:
    data = st.read_table(churn, target="churned", test=0.3)
    assert "churned" in repr(data.describe())
    assert "churned" in repr(data.show_batch())
    plan = st.plan(
        data,
        optimizers=["sgd(lr=0.1)", "adam(lr=0.01)", "quickprop(lr=0.01, max_growth=1.5)"],
        metric="log_loss",
        seeds=2,
        epochs=1,
        hidden=(8,),
    )
    assert "3 seeds" not in str(plan)
    result = plan.run(tmp_path / "churn", observer=Observer())
    assert result.table.height == 3 + 3 + 3
    found = result.difference("adam(lr=0.01)", "sgd(lr=0.1)")
    assert (found.n, found.over, found.metric) == (2, "both", "log_loss")
    assert str(found).startswith(
        f"adam(lr=0.01) - sgd(lr=0.1) on log_loss: {found.mean:.4g} [{found.low:.4g}, "
    )
    assert "] by 2 seeds and 180 rows, p = " in str(found)
    assert repr(found) == f"Difference({found})"
    assert str(result).count("\n● ") == 1
    assert " ".join(result.sentence.split()) in " ".join(str(result).split())
    assert found.low <= found.mean <= found.high
    assert result.best.predict_proba(churn.drop("churned")).shape == (600, 2)
    assert "<table" in result._repr_html_()
    with pytest.raises(st.SteepestError, match="this comparison has no arm 'adagrad'"):
        result.difference("adagrad", "adam(lr=0.01)")


def test_an_experiment_file_is_the_same_experiment(steepest, finished, churn_csv, tmp_path) -> None:
    path = tmp_path / "churn.toml"
    path.write_text(
        f'name = "again"\noptimizers = ["adam(lr=0.01)", "sgd(lr=0.1)"]\n'
        f'[data]\nsource = "{churn_csv}"\ntarget = "churned"\n'
        "[model]\nhidden = [8]\n[protocol]\nseeds = 2\nepochs = 1\nbatch_size = 64\n"
    )
    assert steepest("compare", path, "--out", tmp_path / "out").status == 0
    assert sorted(runs(tmp_path / "out")) == sorted(runs(finished))
    assert steepest("compare", path, "--seeds", "1", "--out", tmp_path / "one").status == 0
    assert {seed for _, phase, seed in runs(tmp_path / "one")} == {0}


PREPARED = {
    "categorical": ["age"], "continuous": ["minutes"], "drop": ["plan"], "missing": ["pro"], "split": "random",
    "split_seed": 4, "validation": 0.2, "test": 0.3, "min_count": 5, "task": "classification",
}  # fmt: skip
"""Another value than the default for each option of a table that has one."""


@pytest.mark.parametrize("how", ["flags", "TOML"])
def test_a_given_default_wins_over_the_preparation_file(steepest, churn_csv, tmp_path, how) -> None:
    (tmp_path / "p.toml").write_text(tomli_w.dumps({"table": {"target": "churned", **PREPARED}}))
    defaults = {name: TableOptions.model_fields[name].default for name in PREPARED}
    source, data = churn_csv, {"source": str(churn_csv), "prepare": str(tmp_path / "p.toml"), **defaults}
    flags = ["--prepare", tmp_path / "p.toml"]
    if how == "flags":
        for name, value in defaults.items():
            flags += [f"--{name.replace('_', '-')}", "" if value == [] else value]
    else:
        source, flags = tmp_path / "e.toml", []
        source.write_text(tomli_w.dumps({"data": data}))
    out = tmp_path / "out"
    said = steepest("compare", source, *flags, "-o", "sgd(lr=0.1)", *QUICK, "--out", out)
    assert said.status == 0, said.err
    assert "480 training, 60 validation and 60 test rows (stratified, split seed 0)" in said.err
    stored = tomllib.loads((out / "experiment.toml").read_text())["data"]
    assert {name: stored[name] for name in PREPARED} == defaults
    assert steepest("resume", out).status == 0  # the same data again, though the file says otherwise


def test_regression_from_the_command_line(steepest, churn_csv, tmp_path) -> None:
    said = steepest("compare", churn_csv, "--target", "minutes", "-o", "adam(lr=0.01)", "--seeds", "2", "--epochs", "1",
                    "--out", tmp_path / "x")  # fmt: skip
    assert said.status == 0
    result = st.Result.load(tmp_path / "x")
    assert result.comparison.metric == "rmse"
    assert "ridge regression" in result.sentence.lower()
    predicted = result.best.predict(churn_csv).table
    assert predicted.columns == ["prediction"]
    truth = pl.read_csv(churn_csv)["minutes"]
    assert float((predicted["prediction"] - truth).pow(2).mean()) ** 0.5 < 3 * float(truth.std())


def test_all_diverged_is_said_and_saves_no_network(steepest, churn_csv, tmp_path) -> None:
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "sgd(lr=1e38)", "--seeds", "2", "--epochs", "1",
                    "--schedule", "constant", "--clip", "1e30", "--out", tmp_path / "x")  # fmt: skip
    assert said.status == 1
    assert "diverged" in said.out
    assert not (tmp_path / "x" / "model").exists()
    assert "\nnetwork  " not in said.out
    said = steepest("predict", tmp_path / "x", churn_csv, "--out", tmp_path / "p.csv")
    assert said.status == 0
    recommended = json.loads((tmp_path / "x" / "results.json").read_text())["recommended"]
    assert recommended in ("gradient boosting", "logistic regression")
    assert said.err.endswith(f"p.csv, by {recommended} (baseline)\n")
    said = steepest("predict", tmp_path / "x" / "model", churn_csv, "--out", tmp_path / "p.csv")
    assert said.status == 2
    assert "there is no model" in said.err


def test_a_baseline_that_is_ahead_predicts_and_the_network_by_its_path(steepest, tmp_path) -> None:
    draw = np.random.default_rng(0)
    table = pl.DataFrame({"x": draw.normal(size=1500), "z": draw.normal(size=1500)})
    table = table.with_columns(y=30 * pl.col("x") + 10 * pl.col("z") + draw.normal(size=1500))
    table.write_csv(tmp_path / "t.csv")
    out = tmp_path / "run"
    said = steepest("compare", tmp_path / "t.csv", "--target", "y", "-o", "adam(lr=0.01)", "--seeds", "3", "--epochs",
                    "1", "--hidden", "4", "--out", out)  # fmt: skip
    shown = [line for line in said.out.splitlines() if line.startswith(("predict  ", "network  "))]
    assert shown == [
        f"predict  steepest predict {out} new.csv --out predictions.parquet",
        f"network  steepest predict {out}/model new.csv --out predictions.parquet",
    ]
    errors: list[float] = []
    used = {out: "ridge regression (baseline)", out / "model": "a network trained by adam(lr=0.01)"}
    for each, by in used.items():
        said = steepest("predict", each, tmp_path / "t.csv", "--out", tmp_path / "p.csv")
        assert said.err.endswith(f"1,500 predictions in {tmp_path}/p.csv, by {by}\n")
        errors.append(
            float((pl.read_csv(tmp_path / "p.csv")["prediction"] - table["y"]).pow(2).mean()) ** 0.5
        )
    assert errors[0] < 1.1
    assert errors[1] > 5


HUNGRY = """
import steepest.optim
import torch

class Hungry(torch.optim.SGD):
    def step(self, closure=None):
        torch.empty(2**62, dtype=torch.int8)
        return super().step(closure)
"""


def test_an_optimizer_that_runs_out_of_memory_is_recorded_and_the_rest_goes_on(
    steepest, churn_csv, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(HUNGRY)
    said = steepest(
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "mine.py:Hungry(lr=0.1)",
        "-o",
        "adam(lr=0.01)",
        *QUICK,
        "--out",
        "x",
    )
    assert said.status == 0, said.err
    assert (
        "warning: mine.py:Hungry(lr=0.1) at 0.1 out of memory (final): at step 1 with batches of 64 rows"
        in said.err
    )
    result = st.Result.load("x")
    assert result.comparison.winner == "adam(lr=0.01)"
    outcomes = {
        row["name"]: row["outcome"] for row in result.table.filter(pl.col("kind") == "arm").to_dicts()
    }
    assert outcomes == {"adam(lr=0.01)": "finished", "mine.py:Hungry(lr=0.1)": "out of memory 2 of 2"}
    before = runs(Path("x"))
    assert steepest("resume", "x").status == 0
    assert runs(Path("x")) == before


SINGULAR = """
import torch

class Singular(torch.optim.SGD):
    def __init__(self, params, lr=1e-2, fails_at=3):
        super().__init__(params, lr)
        self.fails_at, self.taken = fails_at, 0

    def step(self, closure=None):
        self.taken += 1
        if self.taken == self.fails_at:
            torch.linalg.inv(torch.zeros(2, 2))
        return super().step(closure)
"""


def test_an_optimizer_whose_step_fails_is_recorded_with_the_reason_and_the_rest_goes_on(
    steepest, churn_csv, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SINGULAR)
    who = ["-o", "mine.py:Singular(lr=0.1)", "-o", "adam(lr=0.01)"]
    said = steepest("compare", churn_csv, "--target", "churned", *who, *QUICK, "--out", "x")
    assert said.status == 0, said.err
    reason = "mine.py:Singular failed at its step 3: LinAlgError: linalg.inv: "
    assert f"warning: mine.py:Singular(lr=0.1) at 0.1 failed (final): {reason}" in said.err
    result = st.Result.load("x")
    assert result.comparison.winner == "adam(lr=0.01)"
    outcomes = {row.name: row.outcome for row in result.comparison.rows if row.kind == "arm"}
    assert outcomes == {"adam(lr=0.01)": "finished", "mine.py:Singular(lr=0.1)": "failed 2 of 2"}
    assert "failed 2 of 2" in said.out
    assert f"failed 2 of 2 runs ({reason}" in " ".join(result.comparison.remarks)
    assert "LinAlgError" in result.report.read_text()
    before = runs(Path("x"))
    assert steepest("resume", "x").status == 0
    assert runs(Path("x")) == before  # a recorded result, not tried again
    for file in ("results.json", "results.csv", "report.html"):
        assert (Path("x") / file).is_file()


SOMETIMES = """
import torch

class Sometimes(torch.optim.SGD):
    taken = 0

    def step(self, closure=None):
        self.taken += 1
        if self.taken == 3 and self.param_groups[0]["params"][0].flatten()[0] > 0:  # with half of the seeds
            torch.linalg.inv(torch.zeros(2, 2))
        return super().step(closure)
"""


@pytest.mark.parametrize("others", ["sgd(lr=1e38)", "adam(lr=0.01)"])
def test_the_optimizer_with_fewer_failed_seeds_wins_and_is_the_model_that_is_saved(
    steepest, churn_csv, tmp_path, monkeypatch, others
) -> None:
    """One that fails in some seeds wins over one that diverges in all, and never over one that finishes in all."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SOMETIMES)
    mine = "mine.py:Sometimes(lr=0.1)"
    said = steepest("compare", churn_csv, "--target", "churned", "-o", others, "-o", mine, "--seeds", "6",
                    "--epochs", "1", "--schedule", "constant", "--clip", "1e30", "--out", "x")  # fmt: skip
    assert said.status == 0, said.err
    comparison = st.Result.load("x").comparison
    rows = [row for row in comparison.rows if row.kind == "arm"]
    lost = next(row for row in rows if row.name == mine)
    finished = lost.metrics["log_loss"].n
    assert 0 < finished < 6
    assert lost.outcome == f"failed {6 - finished} of 6"
    best = mine if others.startswith("sgd") else others
    assert comparison.winner == best
    assert rows[0].name == best
    assert "No run of any optimizer finished" not in comparison.sentence
    assert st.load("x/model").about.trained["optimizer"] == best
    with Path("x/results.csv").open() as file:
        names = [line["name"] for line in csv.DictReader(file) if line["kind"] == "arm"]
    assert names[0] == best
    assert re.search(f"^[●○] {re.escape(best.partition('(')[0])}", said.out, re.MULTILINE)


def test_an_optimizer_that_cannot_make_its_first_step_is_an_error_before_anything_is_trained(
    steepest, churn_csv, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SINGULAR)
    who = ["-o", "mine.py:Singular(fails_at=1)", "-o", "adam(lr=0.01)"]
    said = steepest("compare", churn_csv, "--target", "churned", *who, *QUICK, "--out", "x")
    assert said.status == 2
    assert "error: mine.py:Singular failed at its step 1: LinAlgError" in said.err
    assert "-o" in said.err
    assert not Path("x/experiment.toml").exists()


def test_a_preparation_with_a_filter_leaves_rows_without_prediction(steepest, churn_csv, tmp_path) -> None:
    steps = tmp_path / "prepare.toml"
    steps.write_text('[[step]]\nuse = "filter"\nwhere = "age >= 30"\n')
    said = steepest(
        "compare",
        churn_csv,
        "--target",
        "churned",
        "--prepare",
        steps,
        "-o",
        "adam(lr=0.01)",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--out",
        tmp_path / "x",
    )
    assert said.status == 0, said.err
    found = st.load(tmp_path / "x").predict(churn_csv)
    young = pl.read_csv(churn_csv)["age"] < 30
    assert found.left_out == young.sum() > 0
    assert (found.table["prediction"].is_null() == young).all()


def test_describe_writes_a_preparation_that_works(steepest, churn_csv, tmp_path) -> None:
    said = steepest("describe", churn_csv, "--target", "churned", "--write", tmp_path / "prepare.toml")
    assert said.status == 0
    assert "minutes" in said.out
    said = steepest("compare", churn_csv, "--prepare", tmp_path / "prepare.toml", "-o", "adam(lr=0.01)", "--seeds", "1",
                    "--epochs", "1", "--out", tmp_path / "x")  # fmt: skip
    assert said.status == 0, said.err
    assert steepest("describe", churn_csv, "--write", tmp_path / "prepare.toml").status == 2


@pytest.mark.parametrize(
    ("kind", "name"),
    [("optimizers", "quickprop"), ("schedules", "cosine"), ("models", "embedding-mlp"), ("steps", "fill-from"),
     ("metrics", "log-loss"), ("baselines", "logistic-regression"), ("datasets", "flights")],
)  # fmt: skip
def test_lists(steepest, kind, name) -> None:
    assert name in steepest("list", kind).out


def test_help_imports_no_torch() -> None:
    code = (
        "import sys; from steepest.cli import main\n"
        "for line in (['--help'], ['compare', '--help'], ['list', 'schedules', '--plot'], ['--version']):\n"
        "    main(line)\n"
        "assert 'torch' not in sys.modules and 'polars' not in sys.modules, 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_compare_help_names_every_option(steepest) -> None:
    text = steepest("compare", "--help").out
    for name in (
        "target",
        "features",
        "categorical",
        "continuous",
        "drop",
        "missing",
        "prepare",
        "split",
        "split-seed",
        "validation",
        "test",
        "model",
        "hidden",
        "dropout",
        "embedding",
        "optimizers",
        "learning-rates",
        "schedule",
        "metric",
        "class-weights",
        "seeds",
        "seed",
        "epochs",
        "batch-size",
        "out",
    ):
        assert f"--{name} " in text


def test_another_length_in_the_same_folder_is_obeyed(steepest, copied, churn_csv) -> None:
    before = len(runs(copied))
    arguments = ["compare", churn_csv, "--target", "churned", "-o", "adam(lr=0.01)", *QUICK, "--out", copied]
    assert steepest(*arguments, "--epochs", "2").status == 0
    records = Folder(copied).records()[before:]
    assert records
    assert {record.steps for record in records} == {14}
    count = len(runs(copied))
    assert steepest("resume", copied).status == 0
    assert len(runs(copied)) == count


def test_dry_run_writes_and_trains_nothing(steepest, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for more, time in (
        ((), "time   about"),
        (("--epochs", "2"), "time   about"),
        (("--minutes", "5"), "time   at most"),
    ):
        said = steepest("compare", churn_csv, "--target", "churned", "--dry-run", *more)
        assert said.status == 0
        assert "4 optimizers × (" in said.out
        assert time in said.out
        assert ("20 epochs assumed here" in said.out) == ("--minutes" in more)
        assert list(tmp_path.iterdir()) == []


def test_dry_run_says_what_is_never_compiled(steepest, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    which = ["-o", "hessian-free(lr=1)", "-o", "newton", "-o", "sam(sgd)", "-o", "sgd", "--model", "linear"]
    command = ["compare", churn_csv, "--target", "churned", *which, "--epochs", "1", "--dry-run"]
    [line] = [each for each in steepest(*command).out.splitlines() if each.startswith("eager")]
    assert "hessian-free(lr=1.0): more than 10 iterations may stop earlier; newton: a step computes" in line
    assert "sam(sgd): a step takes several gradients" in line
    assert "eager" not in steepest(*command, "--compile", "off").out


def test_dry_run_counts_what_the_folder_has(steepest, copied, churn_csv) -> None:
    command = ["compare", churn_csv, "--target", "churned", "--out", copied, "--dry-run"]
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*")}
    more = steepest(*command, "-o", "adam(lr=0.02)", *QUICK)
    assert re.search(r"3 optimizers × .*→ \d+ runs, 8 already done\n", more.out)
    assert "adam(lr=0.01), sgd(lr=0.1): already in this folder, kept" in more.err
    others = steepest(*command, "-o", "adam(lr=0.01)", *QUICK, "--clip", "1.0")
    assert re.search(r"1 optimizer × .*→ \d+ runs; 10 in the folder have other settings", others.out)
    refused = steepest(*command, "--drop", "plan")
    assert refused.status == 2
    assert "was started with other data: drop was [] and is ['plan']" in refused.err
    assert {path: path.stat().st_mtime_ns for path in copied.rglob("*")} == before


def test_a_device_is_asked_for_by_a_flag(steepest, copied, churn_csv) -> None:
    command = [
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "adam(lr=0.01),sgd(lr=0.1)",
        *QUICK,
        "--out",
        copied,
    ]
    for same in ("auto", "cpu"):
        assert steepest(*command, "--device", same, "--dry-run").status == 0
    said = steepest(*command, "--device", "cpu:1")
    assert said.status == 2
    assert "was started with --device cpu, not cpu:1" in said.err
    assert "there is no device 'meta' here" in steepest(*command, "--device", "meta", "--dry-run").err
    assert "was started with --embedding-rows auto, not on" in steepest(*command, "--rows", "on").err
    said = steepest(*command[:-1], copied.with_name("new"), "--device", "toaster")
    assert said.status == 2
    assert "there is no device 'toaster' here" in said.err
    assert not copied.with_name("new").exists()


def test_a_folder_that_was_moved_is_named_as_it_is_now(steepest, copied) -> None:
    moved = copied.rename(copied.with_name("moved"))
    assert f"predict  steepest predict {moved} new.csv" in steepest("report", moved).out
    page = (moved / "report.html").read_text()
    assert f"{moved}/model" in page
    assert f"{copied}/model" not in page


def test_a_forgotten_target_is_the_first_thing_said(steepest, copied, churn_csv) -> None:
    said = steepest("compare", churn_csv, "-o", "adam(lr=0.02)", "--out", copied)
    assert said.err == (
        "error: no target is given\n"
        "Hint: name the column to predict: --target COLUMN. Columns: age, plan, minutes, churned.\n"
    )


def test_lacking_columns_are_not_mended_by_values(steepest, copied, tmp_path) -> None:
    (tmp_path / "new.csv").write_text("agee,plan\n30,pro\n")
    said = steepest("predict", copied, tmp_path / "new.csv", "--out", tmp_path / "p.csv")
    assert (said.status, said.err) == (
        2, "error: the table lacks column 'age'\nHint: rename the column 'agee' if it is 'age'.\n"
    )  # fmt: skip
    (tmp_path / "new.csv").write_text("age,plan\n30,pro\n")
    said = steepest("predict", copied, tmp_path / "new.csv", "--out", tmp_path / "p.csv")
    assert said.status == 0
    assert "there is no column minutes: 1 value counts as missing, as some did in training" in said.err


def test_a_report_is_written_where_no_browser_is(steepest, copied, monkeypatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    (copied / "report.html").unlink()
    said = steepest("report", copied, "--open")
    assert said.status == 0
    assert f"no browser could be opened here: open {copied / 'report.html'} yourself" in said.err
    assert (copied / "report.html").is_file()


def test_minutes_are_fitted_once_and_stored(steepest, churn_csv, tmp_path) -> None:
    out = tmp_path / "x"
    arguments = [
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "adam,sgd",
        "--epochs",
        "40",
        "--minutes",
        "0.15",
        "--out",
        out,
    ]
    said = steepest(*arguments)
    assert said.status == 0, said.err
    assert "to fit the time" in said.err
    fitted = tomllib.loads((out / "experiment.toml").read_text())["plan"]["length"]
    assert fitted["epochs"] < 40
    before = runs(out)
    assert steepest(*arguments).status == 0  # what the time has left out is made now
    assert runs(out)[: len(before)] == before
    assert tomllib.loads((out / "experiment.toml").read_text())["plan"]["length"] == fitted


def test_values_to_try_reach_the_results(steepest, churn_csv, tmp_path) -> None:
    said = steepest(
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "adam(lr=0.01),sgd(lr=0.1)",
        "--tune",
        "adam: eps=1e-8,1.0",
        *QUICK,
        "--out",
        tmp_path / "x",
    )
    assert said.status == 0, said.err
    scans = [each for each in Folder(tmp_path / "x").records() if each.key.phase == "scan"]
    assert len(scans) == 2
    rows = {row.name: row for row in st.Result.load(tmp_path / "x").comparison.rows if row.kind == "arm"}
    assert rows["adam(lr=0.01)"].trials == 4
    assert rows["sgd(lr=0.1)"].trials == 0
