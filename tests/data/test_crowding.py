"""Few far values press the others together: what 32 bits keep of them, and what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from steepest.data.numbers import NumberEncoding, knots_of
from steepest.data.pipeline import TablePipeline
from steepest.data.sources.arrays import Arrays, ArraySource
from steepest.data.sources.opening import open_source
from steepest.data.table import Table, read_table
from steepest.data.variants import Variant
from steepest.models.encoded import with_numbers

N = 2000


class Inputs(torch.nn.Module):
    def forward(self, codes: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return values


def rows(far: float | None = None, target: float | None = None) -> pl.DataFrame:
    draw = np.random.default_rng(0)
    z, y = draw.normal(size=N), draw.normal(size=N)
    if far is not None:
        z[0] = far
    if target is not None:
        y[::500] = target
    return pl.DataFrame({"z": z, "w": draw.normal(size=N), "y": y})


def opened(far: float | None = None, **options: object) -> Table:
    """Return a table of which all rows are training rows."""
    return read_table(rows(far), target="y", split="none", **options)  # type: ignore[arg-type]


class Memory(ArraySource):
    @classmethod
    def read(cls, source, *, inputs="x", target="y"):  # type: ignore[no-untyped-def, override]
        return Arrays({inputs: source[inputs]}, source.get(target), target)


def about(notes: object, name: str) -> list[str]:
    return [each.text for each in notes if f" values of {name} " in each.text]  # type: ignore[attr-defined]


@pytest.mark.parametrize("far", [1e9, 1e10, -1e12, 1e20])
def test_all_values_stay_different_and_a_warning_counts_what_the_mean_would_merge(far: float) -> None:
    table = opened(far)
    values = rows(far)["z"].to_numpy()
    scores = table.final().train.inputs[1][:, 0].numpy()
    assert len(np.unique(scores)) == len(np.unique(values))
    assert (np.argsort(scores, kind="stable") == np.argsort(values, kind="stable")).all()
    left = len(np.unique(((values - values.mean()) / values.std()).astype(np.float32)))
    assert left < 150
    [text] = about(table.final().notes, "z")
    assert f"the {len(values):,} different values of z would become {left:,} standard scores" in text
    assert about(table.describe().notes, "z")
    assert not about(table.final().notes, "w")
    again = TablePipeline.from_dict(table.pipeline.to_dict())
    assert torch.equal(again.transform(rows(far)).inputs[1], table.final().train.inputs[1])


def test_columns_without_far_values_are_scored_as_ever() -> None:
    table = opened()
    values = rows()["z"].to_numpy()
    wanted = ((values - values.mean()) / values.std()).astype(np.float32)
    assert (table.final().train.inputs[1][:, 0].numpy() == wanted).all()
    assert table.pipeline.to_dict()["encoder"]["scales"]["z"].keys() == {
        "mean", "sd", "missing", "shift", "low", "high",
    }  # fmt: skip
    assert not about(table.final().notes, "z")


def test_times_that_lie_close_together_are_scored_as_ever() -> None:
    draw = np.random.default_rng(0)
    t = draw.integers(1_100_000_000, 1_500_000_000, N // 4).repeat(4) + np.arange(N) % 4
    table = read_table(rows().with_columns(z=t), target="y", split="none")
    scores = table.final().train.inputs[1][:, 0].numpy()
    assert (scores == ((t - t.mean()) / t.std()).astype(np.float32)).all()
    assert len(np.unique(scores)) < 0.95 * len(np.unique(t))
    assert not about(table.final().notes, "z")


@pytest.mark.parametrize("numbers", ["quantile", "piecewise(bins=16)"])
def test_encodings_see_what_they_see_without_the_far_value(numbers: str) -> None:
    found = []
    for far in (None, 1e10):
        dataset, _ = opened(far).vary(Variant(numbers=numbers))
        assert dataset.shape.numbers is not None
        net = with_numbers(Inputs(), dataset.shape.numbers, len(dataset.shape.continuous))
        codes, values = dataset.train.inputs
        encoded = net(codes, values)
        assert torch.isfinite(encoded).all()
        at = list(dataset.shape.encoded.continuous)
        mine = [i for i, name in enumerate(at) if name.startswith("z ")]
        found.append(np.unique(encoded[:, mine].numpy(), axis=0))
    assert len(found[1]) > 0.99 * len(found[0])


def test_the_step_that_is_advised_works(tmp_path) -> None:  # type: ignore[no-untyped-def]
    table = opened(1e9)
    [note] = [each for each in table.final().notes if " values of z " in each.text]
    file = tmp_path / "steps.toml"
    file.write_text(note.step)
    cured = opened(1e9, prepare=str(file))
    assert not about(cured.final().notes, "z")
    assert len(np.unique(cured.final().train.inputs[1][:, 0])) == len(rows())


def test_targets_that_merge_are_warned_about() -> None:
    table = read_table(rows(target=1e10), target="y")
    assert "as far as 1e+10" in about(table.final().notes, "the target y")[0]
    assert about(table.describe().notes, "the target y")
    assert not about(read_table(rows(), target="y").final().notes, "the target y")


def test_arrays_that_merge_are_warned_about() -> None:
    draw = np.random.default_rng(0)
    x = np.stack([draw.normal(size=200), 1e10 + np.arange(200)], 1)
    source = open_source({"x": x, "y": draw.normal(size=200)}, reader=f"{Path(__file__).as_posix()}:Memory")
    for notes in (source.describe().notes, source.make(0)[0].notes):
        [text] = about(notes, "x[:, 1]")
        assert "become 1 in 32 bits" in text
        assert not about(notes, "x[:, 0]")


def test_a_far_value_does_not_hide_that_a_curve_merges() -> None:
    t = 1_700_000_000 + np.arange(200)
    t[0] = 0
    frame = pl.DataFrame({"t": t, "v": np.sin(np.arange(200) / 9)})
    source = open_source(frame, x="t", y="v")
    for notes in (source.describe().notes, source.make(0)[0].notes):
        [text] = about(notes, "t")
        assert "200 different values of t become 4 in 32 bits: subtract 1700000100" in text


def test_knots_that_32_bits_merge_are_one() -> None:
    values = np.array([0.0, 1.0, 1.0 + 1e-9, 2.0, 1e-40])
    encoding = NumberEncoding.fit("piecewise(bins=8)", np.sort(values)[:, None])
    assert len(knots_of(np.sort(values), np.ones(5, dtype=int), 8)) == 5
    assert encoding is not None
    assert encoding.columns[0].knots == (0.0, 1.0, 2.0)
    inputs = torch.tensor([[1e-40], [2.0]])
    assert with_numbers(Inputs(), encoding, 1)(torch.zeros(2, 0), inputs).isfinite().all()
