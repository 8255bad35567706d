"""The memory of a step: what is counted is what torch allocates, and other batch sizes follow from two."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import steepest as st
from steepest.data.dataset import Dataset
from steepest.errors import OptionError
from steepest.footprint.measured import footprint
from steepest.models import count_parameters
from steepest.optim import make_spec
from steepest.recipe import Execution, Recipe
from steepest.sweep.bench import Bench, Way

ROWS = 4000
TABLE = ("embeddings.0.weight",)


def rows(n: int = ROWS) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    return {
        "x": draw.normal(size=n),
        "z": draw.normal(size=n),
        "c": [f"k{i}" for i in draw.integers(0, 1500, n)],
        "y": draw.normal(size=n),
    }


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return st.read_table(rows(), target="y").dataset()


def bench(dataset: Dataset, size: int = 256, model: str = "embedding-mlp(hidden=[512, 512])") -> Bench:
    recipe = Recipe(
        data=dataset.fingerprint, model=model, optimizer="", schedule="constant", steps=1, batch_size=size,
        metric="rmse",
    )  # fmt: skip
    return Bench(dataset, recipe, None, "cpu")


def allocated(made: Bench, optimizer: str, tables: tuple[str, ...], path: Path) -> int:
    """Return the most that torch's allocator had given out at once in two steps, by its profiler."""
    execution = Execution(rows="on", executor="rows" if tables else "dense", tables=tables)
    gc.collect()
    gc.disable()
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            run = made.begin(Way(make_spec(optimizer), execution))
            run.make(2)
    finally:
        gc.enable()
    seen.export_chrome_trace(str(path))
    events = [each for each in json.loads(path.read_text())["traceEvents"] if each.get("name") == "[memory]"]
    events.sort(key=lambda each: each["ts"])
    return int(np.cumsum([each["args"]["Bytes"] for each in events]).max())


@pytest.mark.parametrize("tables", [(), TABLE], ids=["dense", "rows"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_peak_is_what_the_profiler_sees(dataset, tmp_path, optimizer, tables) -> None:
    made = bench(dataset)
    found = footprint("it", made, make_spec(optimizer), tables, 10**9)
    seen = allocated(made, optimizer, tables, tmp_path / "trace.json")
    assert found.peak - found.data == pytest.approx(seen, rel=0.1)


def test_the_kinds_of_bytes_by_hand(dataset) -> None:
    """float32 numbers of 4 bytes: Adam keeps two for each weight, momentum one, SGD none."""
    made = bench(dataset)
    weights = 4 * count_parameters(made.network())
    buffers = sum(each.nbytes for each in made.network().buffers())
    for optimizer, slots in (("sgd", 0), ("momentum", 1), ("adam", 2)):
        found = footprint("it", made, make_spec(optimizer), (), 10**9)
        assert found.parameters == weights + buffers
        assert found.gradients == pytest.approx(weights, abs=64)
        assert found.optimizer_state == pytest.approx(slots * weights, abs=64)
        assert found.batch == 256 * (8 + 2 * 4 + 4)
        assert found.data == dataset_bytes(dataset)
    by_rows = footprint("it", made, make_spec("adam"), TABLE, 10**9)
    assert by_rows.gradients < found.gradients  # of the rows of a batch only
    assert by_rows.by_rows == TABLE


def dataset_bytes(dataset: Dataset) -> int:
    parts = (dataset.train, dataset.validation, dataset.test)
    return sum(each.nbytes for part in parts for each in part.tensors) + 8 * len(dataset.train)


def test_activations_are_what_autograd_saves(dataset) -> None:
    """Counted apart, by autograd's own hooks: every storage once, without parameters and the batch itself."""
    made = bench(dataset)
    found = footprint("it", made, make_spec("sgd"), (), 10**9)
    net = made.network()
    batch = dataset.train.take(torch.arange(256))
    mine = {each.untyped_storage().data_ptr() for each in (*net.parameters(), *net.buffers(), *batch.tensors)}
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in mine:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda each: each):
        loss = (net(*batch.inputs).squeeze(1) - batch.target).square().mean()
    assert loss.requires_grad
    assert found.activations == pytest.approx(sum(saved.values()), rel=0.05)


@pytest.mark.parametrize(("optimizer", "tables"), [("adam", ()), ("sgd", ()), ("adam", TABLE)])
def test_another_batch_size_follows_from_two(dataset, optimizer, tables) -> None:
    """The largest batch is measured: it fits, and one that is a twentieth larger does not."""
    rule = make_spec(optimizer)
    limit = 2 * footprint("it", bench(dataset), rule, tables, 10**9).peak
    most = footprint("it", bench(dataset), rule, tables, limit).largest_batch
    assert 256 < most < len(dataset.train) * 0.9
    at_most, beyond = (
        footprint("it", bench(dataset, size), rule, tables, limit) for size in (most, round(1.05 * most))
    )
    assert 0.9 * limit < at_most.peak <= 1.001 * limit
    assert beyond.peak > limit or tables  # by rows, a larger batch has fewer new rows
    assert at_most.largest_batch >= most


def test_limits_at_both_ends(dataset) -> None:
    made = bench(dataset)
    assert footprint("it", made, make_spec("adam"), (), 10**12).largest_batch == len(dataset.train)
    assert footprint("it", made, make_spec("adam"), (), 10**5).largest_batch == 0
    single = footprint("it", bench(dataset, 1, "linear"), make_spec("adam"), (), 10**9)
    assert single.batch_size == 1
    assert single.peak > 0


def test_a_method_with_a_history_counts_all_of_it(dataset) -> None:
    made = bench(dataset, 64, "linear")
    weights = 4 * count_parameters(made.network())
    found = footprint("it", made, make_spec("l-bfgs(history_size=50)"), (), 10**9)
    assert found.optimizer_state == pytest.approx(2 * 51 * weights, rel=0.01)
    assert found.peak > found.optimizer_state + found.data


def test_from_python() -> None:
    found = st.memory(
        rows(600), target="y", optimizers=["sgd", "adam"], model="embedding-mlp(hidden=[64])", batch_size=[32, 64],
        precision="float64", limit="1 GiB", embedding_rows="off", device="cpu",
    )  # fmt: skip
    assert len(found.footprints) == 4
    assert {each.batch_size for each in found.footprints} == {32, 64}
    assert {each.limit for each in found.footprints} == {2**30}
    frame = found.frame
    assert frame["optimizer_state"].to_list() == pytest.approx(
        [0, 0, 2 * frame["gradients"][2], 2 * frame["gradients"][3]], abs=64
    )
    single = st.memory(
        rows(600), target="y", optimizers="adam", model="embedding-mlp(hidden=[64])", batch_size=32,
        limit=2**30, embedding_rows="off", device="cpu",
    ).footprints[0]  # fmt: skip
    [wide] = [each for each in found.footprints if each.batch_size == 32 and "adam" in each.name]
    assert wide.optimizer_state == pytest.approx(2 * single.optimizer_state, abs=64)
    assert "peak of a step" in str(found)


def test_what_does_not_matter_is_refused() -> None:
    with pytest.raises(OptionError, match="epochs has no effect on the memory of a step"):
        st.memory(rows(200), target="y", epochs=3)
    with pytest.raises(OptionError, match="the limit '8 apples' is no size"):
        st.memory(rows(200), target="y", limit="8 apples")


def test_the_command_line(tmp_path: Path, capsys, monkeypatch) -> None:
    import polars as pl

    from steepest.cli import main

    monkeypatch.setenv("COLUMNS", "110")
    path = str(tmp_path / "rows.csv")
    pl.DataFrame(rows(400)).write_csv(path)
    options = [path, "--target", "y", "--batch-size", "32", "--limit", "2GiB", "--device", "cpu"]
    assert main(["memory", *options, "-o", "sgd,adam"]) == 0
    said = capsys.readouterr().out
    lines = {line.split("  ")[0].strip(): line for line in said.splitlines()}
    assert "sgd" in said.splitlines()[0]
    for each in (
        "data",
        "parameters",
        "gradients",
        "optimizer state",
        "activations",
        "error signals",
        "peak of a step",
    ):
        assert "B" in lines[each]
    assert "all 320 rows" in lines["largest batch"]
    assert "2.1 GB" in said
    assert main(["memory", *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["device"] == "cpu"
    assert [each["name"] for each in found["arms"]] == ["adam"]
    assert found["arms"][0]["limit"] == 2**31
    assert main(["memory", *options, "--epochs", "3"]) == 2
    assert main(["memory", *options, "--limit", "much"]) == 2
    assert "write it as 8GiB" in capsys.readouterr().err
