"""The suite for whoever writes a source of data, to subclass in a test file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.data.sources.arrays import ArraySource
from steepest.data.sources.contract import Source
from steepest.data.sources.opening import load_pipeline, open_source
from steepest.data.sources.rows import Pipeline
from steepest.objectives.target import target_of_shape
from steepest.prediction.sameness import outputs_of
from steepest.rng import stream


class SourceConformance:
    """The suite for a source of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        source: the source as it is named: a registered name, or ``mine.py:Arrays(inputs='x')``.
        options: further options that open it, such as ``{"x": "time", "y": "height"}``.

    Example:
        >>> class TestCurve(SourceConformance):
        ...     source = "curve"
        ...     options = {"x": "t", "y": "v"}
        ...     def data(self):
        ...         return {"t": [i / 7 for i in range(60)], "v": [i * 0.5 for i in range(60)]}
        >>> TestCurve().test_new_rows_are_prepared_as_training_rows()
    """

    source: str = ""
    options: Mapping[str, Any] = {}

    def data(self) -> Any:
        """Return what is opened, a path or an object, with at least 40 rows; the suite opens it again and again."""
        raise NotImplementedError

    def numbers(self) -> Mapping[str, Any]:
        """Return inputs as the numbers that the data has, an array of all rows by the field's name.

        They are held against what ``--precision float64`` trains on. By default they are those that an ``ArraySource``
        reads, and none of another source.
        """
        opened = self._opened()
        return opened.numbers if isinstance(opened, ArraySource) else {}

    def _opened(self, **options: Any) -> Source:
        return open_source(self.data(), **{"reader": self.source, **self.options, **options})

    def _made(self) -> tuple[Source, Dataset, Pipeline]:
        opened = self._opened()
        return opened, *opened.make(0)

    def test_parts_have_the_shape_that_models_are_told(self) -> None:
        """Every input has the size of its field; the target has codes of the classes, or numbers."""
        _, data, _ = self._made()
        for part in (data.train, data.validation, data.test):
            assert len(part) > 0
            assert len(part.inputs) == len(data.shape.fields)
            for each, field in zip(part.inputs, data.shape.fields, strict=True):
                assert tuple(each.shape) == (len(part), *field.size), (
                    f"{field.name} has the shape {list(each.shape)}"
                )
                wanted = {"codes": torch.int64, "values": torch.float32}.get(field.kind, each.dtype)
                assert each.dtype == wanted, f"{field.name} holds {each.dtype}"
                assert not each.is_floating_point() or bool(torch.isfinite(each).all()), f"{field.name}"
            made = target_of_shape(data.shape).made_up(len(part), stream(0, "data"))
            assert part.target.shape == made.shape
            assert part.target.dtype == made.dtype
            if data.classes:
                assert bool(((part.target >= 0) & (part.target < data.shape.outputs)).all())
            assert data.shape.outputs == target_of_shape(data.shape).outputs

    def test_64_bits_have_the_numbers_of_the_data(self) -> None:
        """Datasets and new rows in 64 bits have the very numbers of the data, whatever 32 bits make of them."""
        opened, data, pipeline = self._made()
        rows = opened.test_rows["row"].to_list()
        found = list(pipeline.transform_batches(self.data(), 1 << 18))
        for name, known in self.numbers().items():
            [at] = [i for i, field in enumerate(data.shape.fields) if field.name == name]
            wanted = torch.as_tensor(np.array(known)).double()
            size = (len(wanted), *data.shape.fields[at].size)
            wide = torch.cat([(each.doubles or each.inputs)[at].double() for each in found])
            assert torch.equal(data.wide().test.inputs[at], wanted.reshape(size)[rows]), (
                f"{name} in a dataset"
            )
            assert torch.equal(wide, wanted.reshape(size)), f"{name} in new rows"

    def test_opened_again_it_is_the_same(self) -> None:
        """The same data has the same fingerprint and tensors, and another split has another fingerprint."""
        _, one, _ = self._made()
        _, two, _ = self._made()
        assert one.fingerprint == two.fingerprint
        for name in ("train", "validation", "test"):
            pairs = zip(getattr(one, name).tensors, getattr(two, name).tensors, strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)
        other, _ = self._opened(split_seed=1).make(0)
        assert other.fingerprint != one.fingerprint

    def test_new_rows_are_prepared_as_training_rows(self) -> None:
        """The pipeline makes of the whole data, read again, the very rows of the parts."""
        opened, data, pipeline = self._made()
        inputs, _ = self._transformed(pipeline)
        rows = torch.tensor(opened.test_rows["row"].to_list())
        for mine, each in zip(data.test.inputs, inputs, strict=True):
            assert torch.equal(mine, each[rows])
        few, _ = self._transformed(pipeline, rows=7)
        assert all(torch.equal(a, b) for a, b in zip(few, inputs, strict=True))

    def test_test_rows_have_their_targets(self) -> None:
        """``test_rows`` names the rows by their numbers in the data, with the targets that new rows have there."""
        opened, _, pipeline = self._made()
        known = opened.test_rows
        _, targets = self._transformed(pipeline)
        assert known.columns[:2] == ["row", "target"]
        assert [str(targets[row]) for row in known["row"]] == [str(each) for each in known["target"]]

    def test_a_stored_pipeline_is_the_same(self) -> None:
        """What is saved with a model gives the same tensors, shape and classes when it is read again."""
        _, _, pipeline = self._made()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pipeline.json")
            pipeline.save(path)
            again = load_pipeline(path, self.source if ":" in self.source else None)
        assert (again.shape, again.classes, again.target) == (
            pipeline.shape,
            pipeline.classes,
            pipeline.target,
        )
        assert again.target_scale == pipeline.target_scale
        assert again.labels.to_list() == pipeline.labels.to_list()
        one, two = self._transformed(pipeline)[0], self._transformed(again)[0]
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))

    def test_folds_test_every_row_once(self) -> None:
        """With several test sets every row is a test row once, and a training row in the others."""
        opened = self._opened(split="folds:4")
        datasets = [opened.make(fold)[0] for fold in range(4)]
        known = opened.test_rows
        assert sorted(known["row"].to_list()) == list(range(sum(len(each.test) for each in datasets)))
        assert [len(each.test) for each in datasets] == known["fold"].value_counts(sort=False)[
            "count"
        ].to_list()
        final, _ = opened.make(None)
        assert len(final.test) == 0
        assert len({each.fingerprint for each in (*datasets, final)}) == 5

    def test_nothing_needs_to_be_held_out(self) -> None:
        """With ``split="none"`` all parts are the training rows, and the dataset says so."""
        data, _ = self._opened(split="none").make(0)
        assert not data.held_out
        assert len(data.train) == len(data.validation) == len(data.test)

    def test_it_describes_itself(self) -> None:
        """What ``steepest describe`` shows has the data's kind, is plain values, and is the same when opened again."""
        said = self._opened().describe()
        plain = said.as_json()
        assert plain["kind"] == self._opened().kind
        assert json.loads(json.dumps(plain, allow_nan=False)) == self._opened().describe().as_json()
        assert said.name in repr(said)
        assert said.name in said._repr_html_()  # pyright: ignore[reportPrivateUsage]

    def test_models_that_fit_can_be_built(self) -> None:
        """A model of the kind that the data's fields name gives an output for made-up rows."""
        from steepest.models import TABLE_INPUTS, build_model, registry

        _, data, _ = self._made()
        fitting = [
            name
            for name, each in registry.entries.items()
            if data.shape.takes in each.more.get("takes", (TABLE_INPUTS,))
        ]
        built = 0
        for name in fitting:
            try:
                net = build_model(name, data.shape)
            except Exception:  # a polynomial is of one number
                continue
            built += len(outputs_of(net.eval(), data.shape)) > 0
        assert built or not fitting

    def _transformed(self, pipeline: Pipeline, rows: int = 1 << 18) -> tuple[tuple[Tensor, ...], list[Any]]:
        """Return the inputs of the whole data as new rows, and the targets."""
        found = list(pipeline.transform_batches(self.data(), rows))
        inputs = tuple(torch.cat(each) for each in zip(*(one.inputs for one in found), strict=True))
        return inputs, [value for one in found if one.target is not None for value in one.target.to_list()]
