"""From a table to tensors and back to predictions on new rows."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tomli_w
import torch
from rich.console import Console

from steepest.data import read
from steepest.data.options import TableOptions
from steepest.data.pipeline import TablePipeline
from steepest.data.table import Table, read_table
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError, FolderError, PreparationError

N = 400


def churn() -> pl.DataFrame:
    generator = np.random.default_rng(5)
    months = generator.integers(1, 72, N)
    plan = generator.choice(["basic", "plus", "pro"], N)
    price = np.round(generator.normal(50, 9, N), 2)
    return pl.DataFrame(
        {
            "id": [f"C{i}" for i in range(N)],
            "signup": [f"2019-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(N)],
            "months": months,
            "plan": plan,
            "price": [None if i % 9 == 0 else value for i, value in enumerate(price.tolist())],
            "shop": [None if i % 7 == 0 else f"s{i % 5}" for i in range(N)],
            "churned": [None if i % 50 == 0 else ("yes" if m < 30 else "no") for i, m in enumerate(months)],
        }
    )


STEPS: list[dict[str, Any]] = [
    {"use": "filter", "where": "months > 3"},
    {"use": "derive", "columns": {"spent": "months * price"}},
    {"use": "fill-mode", "columns": ["shop"]},
]


def opened(**options: Any) -> Table:
    return read_table(churn(), target="churned", **options)


def texts(table: Table, kind: str | None = None) -> str:
    return "\n".join(note.text for note in table.dataset().notes if kind in (None, note.kind))


def test_a_dataset_is_what_the_options_say() -> None:
    table = opened(drop=["months"], validation=0.2, test=0.25)
    data = table.dataset()
    assert (len(data.train), len(data.validation), len(data.test)) == (216, 78, 98)
    assert data.classes == ("no", "yes")
    assert data.shape.cardinalities == {"plan": 4, "shop": 7, "signup month": 13, "signup weekday": 8}
    assert data.shape.continuous == ("price", "signup day", "price is missing")
    assert data.train.inputs[0].shape == (216, 4)
    assert data.train.inputs[1].mean(0)[:2].abs().max() < 1e-5
    assert table.dataset() is data
    assert "8 of 400 rows have no churned" in texts(table)
    assert "left out: id" in texts(table)
    assert data.provenance["rows"] == {"train": 216, "validation": 78, "test": 98}
    json.dumps(dict(data.provenance))


def test_months_gives_the_target_away() -> None:
    assert "months alone predicts" in texts(opened(), "warning")
    assert "months alone" not in texts(opened(drop=["months"]))


def test_the_largest_class_has_its_share_of_the_rows() -> None:
    letters = np.where(np.random.default_rng(0).random(200) < 0.5, "a", "b")
    letters = np.concatenate([letters, np.where(letters == "a", "b", "a")])  # as many of one as of the other
    warned = texts(read_table({"x": letters, "y": letters}, target="y"), "warning")
    share = re.search(r"the largest class: ([\d.]+)%", warned)
    assert share
    assert float(share[1]) >= 50.0


@pytest.mark.parametrize("weighted", [False, True])
def test_a_column_that_holds_nine_of_ten_rare_cases_is_named(weighted: bool) -> None:
    """It removes 0.87 of the errors of the constant guess, 0.84 by weight; a column that is often right does not."""
    draw = np.random.default_rng(0)
    dead = draw.random(4000) < 0.1
    injury = np.where(dead, np.where(draw.random(4000) < 0.9, 4, 2), draw.integers(0, 4, 4000))
    injury = np.where(~dead & (draw.random(4000) < 0.003), 4, injury)
    belt = np.where(draw.random(4000) < 0.6, dead, draw.integers(0, 2, 4000))
    rows = {
        "injury": injury,
        "belt": belt,
        "weight": np.where(dead, 1.0, 2.0),
        "dead": np.where(dead, "yes", "no"),
    }
    options: dict[str, Any] = {"weight": "weight"} if weighted else {"drop": "weight"}
    notes = [each for each in read_table(rows, target="dead", **options).dataset().notes if each.giveaway]
    assert [each.giveaway for each in notes] == ["injury"]
    share = re.search(r"the largest class: ([\d.]+)%", notes[0].text)
    assert share
    assert float(share[1]) == pytest.approx(94.7 if weighted else 90.0, abs=1.0)


def test_rows_without_weight_do_not_count_in_what_gives_the_target_away() -> None:
    draw = np.random.default_rng(0)
    answer = draw.integers(0, 2, 600)
    counts = np.arange(600) % 2 == 0
    told = np.where(counts, answer, draw.integers(0, 2, 600))
    rows = {"told": told, "counts": counts.astype(float), "left": answer}
    for options, named in (({"weight": "counts"}, ["told"]), ({"drop": "counts"}, [])):
        made = read_table(rows, target="left", **options).dataset()
        assert [each.giveaway for each in made.notes if each.giveaway] == named


def test_an_input_that_explains_most_of_a_number_is_no_giveaway() -> None:
    """As the weight of a diamond explains 87 % of the variance of its price."""
    draw = np.random.default_rng(0)
    carat = draw.random(4000)
    price = carat + draw.normal(size=4000) * carat.std() * (0.13 / 0.87) ** 0.5
    assert "alone" not in texts(read_table({"carat": carat, "price": price}, target="price"), "warning")


def test_a_number_that_explains_the_target_is_named() -> None:
    x = np.linspace(0, 1, 500)
    frame = {"x": x, "noise": np.random.default_rng(0).normal(size=500), "y": 3 * x + 0.001}
    warned = texts(read_table(frame, target="y"), "warning")
    assert "x alone explains 100.0%" in warned
    assert "noise" not in warned


@pytest.mark.parametrize("rows", [60, 190, 400])
@pytest.mark.parametrize("draw", ["normal", "lognormal"])
def test_a_copy_of_the_target_in_another_unit_is_named_in_small_tables(rows: int, draw: str) -> None:
    for seed in range(3):
        stream = np.random.default_rng(seed)
        dollars, noise = getattr(stream, draw)(size=rows), stream.normal(size=(20, rows))
        frame = {"eur": 0.9 * dollars, **{f"noise {i}": each for i, each in enumerate(noise)}, "usd": dollars}
        notes = read_table(frame, target="usd").dataset().notes
        assert [each.giveaway for each in notes if each.giveaway] == ["eur"]


@pytest.mark.parametrize("column", ["is paid", "paid, EUR"])
def test_the_advice_about_missing_values_and_parts_of_dates_names_their_column_once(column: str) -> None:
    draw = np.random.default_rng(0)
    late = np.arange(600) % 2 == 0
    paid = np.where(late, np.nan, draw.normal(size=600))
    day = np.datetime64("2024-01-01") + 7 * draw.integers(0, 50, 600) + np.where(late, 6, 0)
    frame = {"x": draw.normal(size=600), column: paid, "sent": day, "left": np.where(late, "yes", "no")}
    notes = [each for each in read_table(frame, target="left").dataset().notes if each.giveaway]
    assert [each.giveaway for each in notes] == ["sent", column]
    assert f"whether {column} is missing alone predicts 100.0%" in notes[1].text
    for each in notes:
        option, value = shlex.split(each.text.removesuffix(".").rpartition(": ")[2])
        assert option == "--drop"
        dropped = read_table(frame, target="left", drop=value).dataset()
        assert list(dropped.provenance["left_out"]) == [each.giveaway]


def test_nothing_of_test_rows_is_learned() -> None:
    rows = churn().filter(pl.col("churned").is_not_null())
    first = read_table(rows, target="churned", drop="months")
    test = first.prepared().with_row_index("row").filter(pl.col("split") != "train")["row"]
    odd = pl.int_range(pl.len()).is_in(test.implode())
    changed = rows.with_columns(
        price=pl.when(odd).then(1e6).otherwise("price"),
        shop=pl.when(odd).then(pl.lit("elsewhere")).otherwise("shop"),
    )
    second = read_table(changed, target="churned", drop="months")
    assert second.pipeline.encoder == first.pipeline.encoder
    assert torch.equal(second.dataset().train.inputs[1], first.dataset().train.inputs[1])
    assert "shop 78" in texts(second)


@pytest.mark.parametrize("split", ["random", "stratified", "group:shop", "time:signup"])
def test_splits_by_name(split: str) -> None:
    table = opened(split=split)
    frame = table.prepared()
    assert frame.height == 392
    assert set(frame["split"]) == {"train", "validation", "test"}
    if split == "group:shop":
        assert frame.group_by("shop").agg(pl.col("split").n_unique())["split"].max() == 1
    if split == "time:signup":
        latest = frame.group_by("split").agg(pl.col("signup").min(), pl.col("signup").max().alias("last"))
        test, validation, train = (latest.filter(split=each) for each in ("test", "validation", "train"))
        assert train["last"][0] <= validation["signup"][0] <= validation["last"][0] <= test["signup"][0]


def test_a_column_that_only_splits_may_be_left_out_of_the_steps() -> None:
    steps = [{"use": "select", "columns": ["months", "churned"]}]
    assert "shop" in opened(split="group:shop", prepare=steps, drop=["shop"]).prepared().columns


def test_files_of_their_own(tmp_path: Path) -> None:
    rows = churn().filter(pl.col("churned").is_not_null())
    rows[:300].write_csv(tmp_path / "train.csv")
    rows[300:340].write_parquet(tmp_path / "choose.parquet")
    rows[340:].write_csv(tmp_path / "test.csv", separator=";")
    table = read_table(
        tmp_path / "train.csv",
        target="churned",
        validation=tmp_path / "choose.parquet",
        test=tmp_path / "test.csv",
    )
    data = table.dataset()
    assert (len(data.train), len(data.validation), len(data.test)) == (300, 40, 52)
    assert table.prepared()["id"].to_list() == rows["id"].to_list()
    assert "stratified" not in texts(table)


def test_steps_are_fitted_on_train_and_told() -> None:
    table = opened(prepare=STEPS)
    assert table.prepared()["months"].min() == 4
    assert "spent" in table.dataset().shape.continuous
    assert table.prepared()["shop"].null_count() == 0
    assert [each.step for each in table.reports] == ["filter", "derive", "fill-mode"]
    assert all(f"{each.text}." in texts(table) for each in table.reports)


@pytest.mark.parametrize("form", ["polars", "pandas", "csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("prepare", [None, STEPS], ids=["plain", "steps"])
def test_new_rows_are_encoded_as_the_old_ones(form: str, prepare: Any, tmp_path: Path) -> None:
    table = opened(prepare=prepare)
    table.pipeline.save(tmp_path / "pipeline.json")
    pipeline = TablePipeline.load(tmp_path / "pipeline.json")
    rows = churn().drop("churned").with_columns(pl.lit(1).alias("extra"))
    new: Any = {"polars": rows, "pandas": rows.to_pandas()}.get(form)
    if new is None:
        new = tmp_path / f"new.{form}"
        if form == "parquet":
            rows.write_parquet(new)
        else:
            content = rows.write_csv().encode()
            new.write_bytes(gzip.compress(content) if form == "csv.gz" else content)
    encoded = pipeline.transform(new)
    assert encoded.rows == N
    data = table.dataset()
    kept = churn().with_row_index("row").filter(pl.col("churned").is_not_null())["row"].to_list()
    place = {row: i for i, row in enumerate(encoded.kept.to_list())}
    frame = table.prepared()
    rows_of = [row for row in kept if row in place]
    assert len(rows_of) == frame.height
    for name, part in (("train", data.train), ("validation", data.validation), ("test", data.test)):
        index = torch.tensor(
            [place[row] for row, which in zip(rows_of, frame["split"], strict=True) if which == name]
        )
        for new_inputs, inputs in zip(encoded.inputs, part.inputs, strict=True):
            assert torch.equal(new_inputs[index], inputs)


def test_unseen_categories_are_counted_not_refused() -> None:
    encoded = opened(drop="id").pipeline.transform(churn().with_columns(plan=pl.lit("gold")))
    assert encoded.unforeseen.unknown == {"plan": N}
    assert set(encoded.inputs[0][:, 0].tolist()) == {0}


def test_unseen_categories_are_named() -> None:
    new = pl.Series("plan", [f"new {i % 5}" for i in range(N)])
    pipeline = opened(drop="id").pipeline
    parts = list(pipeline.transform_batches(churn().with_columns(new), 70))
    said = "values of plan were not seen in training"
    assert parts[0].unforeseen.lines == (f"70 {said} ('new 0', 'new 1', 'new 2', …)",)
    both = parts[0].unforeseen + parts[1].unforeseen
    assert both.lines == (f"140 {said} ('new 0', 'new 1', 'new 2', …)",)
    few = pipeline.transform(churn().with_columns(pl.Series("plan", ["gold", "tin"] * (N // 2))))
    assert few.unforeseen.lines == (f"400 {said} ('gold', 'tin')",)


def test_numbers_far_outside_those_of_training_are_counted() -> None:
    """Beyond the least or the greatest one by more than their range is wide; what is nearer, or missing, is not."""
    rows = pl.DataFrame({"x": [i / 10 for i in range(101)] * 4, "y": ["a", "b"] * 202})
    pipeline = read_table(rows, target="y").pipeline
    near = pipeline.transform(pl.DataFrame({"x": [-9.9, 19.9, 5.0]}))
    assert near.unforeseen.outside == {}
    new = pl.DataFrame({"x": [-10.5, 20.5, 5.0, 9000.0, 19.9]})
    found = pipeline.transform(new).unforeseen
    assert found.outside == {"x": 3}
    said = "3 values of x lie outside the range of training by more than its width (farthest 9000; training: 0 to 10)"
    assert found.lines == (said,)
    batches = list(pipeline.transform_batches(new, 2))
    assert sum((each.unforeseen for each in batches), Unforeseen()).lines == (said,)
    one = pipeline.transform(pl.DataFrame({"x": [-77.5]})).unforeseen.lines
    assert one == (
        "1 value of x lies outside the range of training by more than its width (-77.5; training: 0 to 10)",
    )


@pytest.mark.parametrize("shift", [0, 2**60])
def test_whole_numbers_far_outside_are_counted(shift: int) -> None:
    rows = pl.DataFrame({"x": [shift + i * i for i in range(100)], "y": ["a", "b"] * 50})
    pipeline = read_table(rows, target="y", continuous="x", validation=0.1).pipeline
    new = pl.DataFrame({"x": [shift + 50, shift + 15_000, shift + 2**40]})
    assert pipeline.transform(new).unforeseen.outside == {"x": 1}


def test_models_saved_without_ranges_count_nothing(tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [i / 10 for i in range(101)], "y": (["a", "b"] * 51)[:101]})
    pipeline = read_table(rows, target="y").pipeline
    stored = pipeline.to_dict()
    for each in stored["encoder"]["scales"].values():
        del each["low"], each["high"]
    (tmp_path / "pipeline.json").write_text(json.dumps(stored))
    assert (
        not TablePipeline.load(tmp_path / "pipeline.json")
        .transform(pl.DataFrame({"x": [1e6]}))
        .unforeseen.lines
    )
    pipeline.save(tmp_path / "new.json")
    assert TablePipeline.load(tmp_path / "new.json") == pipeline


def test_a_column_that_had_gaps_in_training_may_be_absent() -> None:
    steps: list[dict[str, Any]] = [
        {"use": "rename", "columns": {"shop": "store"}},
        {"use": "derive", "columns": {"spent": "months * price"}},
    ]
    pipeline = opened(drop="id", prepare=steps).pipeline
    assert pipeline.optional == {"shop"}  # of price the derived column is made, too
    encoded = pipeline.transform(churn().drop("shop"))
    gaps = pipeline.transform(churn().with_columns(shop=pl.lit(None, pl.String)))
    assert all(map(torch.equal, encoded.inputs, gaps.inputs))
    assert encoded.unforeseen.absent == {"shop": N}
    said = "there is no column shop: 400 values count as missing, as some did in training"
    assert encoded.unforeseen.lines == (said,)
    batches = list(pipeline.transform_batches(churn().drop("shop"), 70))
    assert sum(each.unforeseen.absent["shop"] for each in batches) == N
    assert torch.equal(torch.cat([each.inputs[0] for each in batches]), encoded.inputs[0])
    with pytest.raises(DataError, match="there is no column 'shop' in the table"):
        list(pipeline.transform_batches(churn().drop("shop"), 70, keep=["shop"]))
    dated = opened(drop="id").pipeline
    assert dated.optional == {"shop", "price"}
    assert dated.transform(churn().drop("shop", "price")).unforeseen.absent == {"price": N, "shop": N}


def test_only_absent_columns_are_named_and_those_that_may_be_them() -> None:
    with pytest.raises(DataError, match="lacks columns 'months', 'plan'") as raised:
        opened().pipeline.transform(churn().drop("plan").rename({"months": "Month"}))
    assert raised.value.hint == "rename the column 'Month' if it is 'months', and add 'plan'."


def test_a_text_where_numbers_were_may_be_a_category() -> None:
    with pytest.raises(DataError, match="holds 'cheap'") as raised:
        opened().pipeline.transform(churn().with_columns(price=pl.lit("cheap")))
    assert "if price is a category, train again with --categorical price." in raised.value.hint
    assert "instead of" not in raised.value.hint


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda rows: rows.drop("plan"), "lacks column 'plan'"),
        (lambda rows: rows.drop("plan", "months"), "lacks columns 'months', 'plan'"),
        (lambda rows: rows.head(0), "has no rows"),
        (
            lambda rows: rows.with_columns(price=pl.lit("cheap")),
            "'price' is continuous but holds 'cheap' in row 1",
        ),
        (lambda rows: rows.with_columns(price=pl.lit(float("inf"))), "'price' holds 400 infinite values"),
    ],
)
def test_new_rows_that_cannot_be_predicted(change: Any, fact: str) -> None:
    with pytest.raises(DataError, match=fact):
        opened().pipeline.transform(change(churn()))


@pytest.mark.parametrize(
    ("content", "fact"), [("{", "damaged"), ("[]", "not a pipeline"), ('{"steepest_pipeline": 1}', "damaged")]
)
def test_a_damaged_pipeline_is_refused(content: str, fact: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(FolderError, match=fact):
        TablePipeline.load(tmp_path / "p.json")
    with pytest.raises(FolderError, match="cannot read"):
        TablePipeline.load(tmp_path / "q.json")


def test_the_fingerprint_tells_tables_apart(tmp_path: Path) -> None:
    churn().write_csv(tmp_path / "churn.csv")
    first = opened().dataset().fingerprint
    assert read_table(tmp_path / "churn.csv", target="churned").dataset().fingerprint == first
    others = [
        opened(split_seed=1),
        opened(drop=["plan"]),
        read_table(churn().with_columns(pl.col("price") + 1), target="churned"),
        read_table(churn().with_columns(pl.col("plan").str.to_uppercase()), target="churned"),
    ]
    found = {each.dataset().fingerprint for each in others}
    assert len(found | {first}) == len(others) + 1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_streamed_file_gives_the_same_dataset(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"churn.{ending}"
    (churn().write_csv if ending == "csv" else churn().write_parquet)(path)
    at_once = read_table(path, target="churned", prepare=STEPS).dataset()
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", 0)
    assert read.is_streamed(path)
    assert read_table(path, target="churned", prepare=STEPS).dataset().fingerprint == at_once.fingerprint


def test_the_fingerprint_is_the_same_in_another_process(tmp_path: Path) -> None:
    churn().write_csv(tmp_path / "churn.csv")
    code = (
        "from steepest.data.table import read_table\n"
        f"print(read_table({str(tmp_path / 'churn.csv')!r}, target='churned').dataset().fingerprint)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "POLARS_MAX_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout.strip() == opened().dataset().fingerprint


def test_regression_targets_are_standardised_by_the_training_rows() -> None:
    table = read_table(churn().drop("churned"), target="price", split_seed=3)
    data = table.dataset()
    train = table.prepared().filter(split="train")["price"]
    assert data.task == "regression"
    assert data.target_scale.mean == pytest.approx(train.mean())
    restored = data.train.target.double() * data.target_scale.sd + data.target_scale.mean
    torch.testing.assert_close(
        restored, torch.tensor(train.to_list(), dtype=torch.float64), rtol=1e-6, atol=1e-4
    )


def test_a_description_shows_every_column_and_writes_a_first_preparation(tmp_path: Path) -> None:
    table = opened()
    shown = table.describe()
    assert len(repr(shown).splitlines()) >= 9
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(shown)
    for name in churn().columns:
        assert name in repr(shown)
        assert name in console.export_text(clear=False)
        assert name in shown._repr_html_()
    path = tmp_path / "prepare.toml"
    shown.to_toml(path)
    written = tomllib.loads(path.read_text())["table"]
    assert written["drop"] == ["id"]
    assert written["continuous"] == ["months", "price"]
    again = read_table(churn(), target="churned", prepare=path)
    assert again.dataset().shape == table.dataset().shape
    with pytest.raises(FolderError, match="already exists"):
        shown.to_toml(path)
    shown.to_toml(path, overwrite=True)
    uncommented = path.read_text().split("remove the # below.\n")
    path.write_text(uncommented[0] + "\n" + re.sub("(?m)^# ", "", uncommented[1]))
    assert read_table(churn(), target="churned", prepare=path).prepared()["shop"].null_count() == 0


def test_names_and_values_are_escaped_in_notebooks() -> None:
    frame = {"<b>": ["<i>", "&"] * 20, 'q"\n#': [0.5, 1.5] * 20, "y": ["a", "b"] * 20}
    table = read_table(frame, target="y")
    shown = table.describe()._repr_html_() + table.show_batch()._repr_html_()
    assert "<i>" not in shown
    assert "&lt;b&gt;" in shown
    assert tomllib.loads(table.describe().to_toml())["table"]["continuous"] == ['q"\n#']


def test_a_described_table_needs_no_target_but_a_dataset_does() -> None:
    table = read_table(churn())
    assert [each.role for each in table.describe().columns].count("target") == 0
    assert "steepest" in table.describe().to_toml()


def test_shown_rows_are_what_the_network_sees() -> None:
    table = opened(min_count=30)
    shown = table.show_batch(n=6, seed=1)
    assert shown.frame.height == 6
    assert set(shown.frame["churned (target)"]) <= {"yes", "no"}
    assert "price" in repr(shown)
    assert len(repr(shown).splitlines()) == shown.frame.width


def test_options_of_a_preparation_file_yield_to_given_ones(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[table]\ntarget = "churned"\ndrop = ["months"]\nsplit-seed = 4\n')
    assert read_table(churn(), prepare=path).options.drop == ["months"]
    assert read_table(churn(), prepare=path, drop=["plan"]).options.drop == ["plan"]
    assert read_table(churn(), prepare=path, drop=None).options.drop == ["months"]
    assert read_table(churn(), prepare=path).options.split_seed == 4


IN_THE_FILE = {
    "categorical": ["months"], "continuous": ["price"], "drop": ["shop"], "missing": ["pro"], "split": "random",
    "decimal": "comma", "encoding": "cp1250", "decode": ["none"], "text": ["plan"],
    "split_seed": 4, "validation": 0.2, "test": 0.3, "min_count": 5, "task": "classification",
}  # fmt: skip
"""A value other than the default for every option that has one; the rest have none, and None is not given."""


def test_what_is_given_wins_where_it_equals_the_default_too(tmp_path: Path) -> None:
    fields = TableOptions.model_fields
    assert set(IN_THE_FILE) == {name for name, each in fields.items() if each.default is not None}
    path = tmp_path / "p.toml"
    path.write_text(tomli_w.dumps({"table": {"target": "churned", **IN_THE_FILE}}))
    for name, other in IN_THE_FILE.items():
        default = fields[name].default
        found = read_table(churn(), prepare=path, **{name: default}).options
        assert getattr(found, name) == default != other
        rest = {each: getattr(found, each) for each in IN_THE_FILE if each != name}
        assert rest == {each: value for each, value in IN_THE_FILE.items() if each != name}
    assert [len(each) for each in parts(read_table(churn(), prepare=path, test=0.1))] == [275, 78, 39]


def parts(table: Table) -> list[Any]:
    data = table.dataset()
    return [data.train, data.validation, data.test]


def test_any_name_is_a_column_name() -> None:
    names = ["count", "len", "value", "n", "index", "a.b", "x is missing", "ü (€)", "literal"]
    texts_, numbers = ["p", "q", "r", None] * 10, [0.5, None, 2.5, 3.5] * 10
    frame = {name: texts_ if i % 2 else numbers for i, name in enumerate(names)}
    for target in ("len", "count"):
        answers = ["a", "b", "b", "c"] * 10 if target == "len" else [0.5, 1.5, 2.5, 9.5] * 10
        table = read_table({**frame, target: answers}, target=target)
        encoded = table.pipeline.transform(frame)
        assert len(encoded.kept) == 40
        assert repr(table.describe())
        assert table.show_batch().frame.width == len(table.pipeline.columns.required) + 1


def test_rows_lost_to_the_steps() -> None:
    with pytest.raises(DataError, match="no row"):
        opened(prepare=[{"use": "filter", "where": "months > 1000"}]).dataset()
    with pytest.raises(PreparationError, match="plann"):
        opened(prepare=[{"use": "drop", "column": "plann"}]).dataset()


def test_pandas_frames_with_missing_numbers_predict_alike() -> None:
    rows = churn().to_pandas().astype({"shop": "category"})
    rows["months"] = rows["months"].astype("float64")
    encoded = opened().pipeline.transform(pd.DataFrame(rows))
    again = opened().pipeline.transform(churn())
    assert all(torch.equal(a, b) for a, b in zip(encoded.inputs, again.inputs, strict=True))


@pytest.fixture(scope="module")
def crimes() -> Path:
    folder = os.environ.get("STEEPEST_DATA")
    path = Path(folder or "none") / "chicago-crimes" / "crimes-2018-H1.snappy.parquet"
    if not path.is_file():
        pytest.skip("STEEPEST_DATA does not name a folder with chicago-crimes/crimes-2018-H1.snappy.parquet")
    return path


def test_the_crimes(crimes: Path) -> None:
    table = read_table(crimes, target="PrimaryType", drop="Description")
    data = table.dataset()
    assert (len(data.train), len(data.validation), len(data.test)) == (100_472, 12_559, 12_559)
    assert re.search(r"FBICode alone predicts 96\.\d%", texts(table, "warning"))
    assert "Year: one value only" in texts(table)
    assert "NON-CRIMINAL (SUBJECT SPECIFIED) (1, none to choose or test)" in texts(table, "warning")
    roles = {each.name: each.role for each in table.describe().columns}
    assert roles["Date"] == "date"
    assert roles["District"] == roles["Block"] == "categorical"
