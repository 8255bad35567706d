"""The source of texts: rows of tokens, split by document, for models of the next token."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import torch

from steepest.data.catalog import is_name, open_catalog
from steepest.data.dataset import Dataset, InputField, InWords, Note, Part, Shape, TargetScale, Task
from steepest.data.described import DataOverview
from steepest.data.options import TableOptions
from steepest.data.parts import PARTS, check_other_file
from steepest.data.preparation import StepReport
from steepest.data.sources.contract import Source
from steepest.data.sources.rows import Encoded, Pipeline
from steepest.data.split_rule import NOTHING
from steepest.data.texts.blocks import TextRows, blocks_of, without_overlap
from steepest.data.texts.described import about_equal, about_replaced, overview
from steepest.data.texts.fidelity import BY_TEXT, Fidelity, fidelity_of
from steepest.data.texts.reading import Documents, read_documents
from steepest.data.texts.splitting import split_documents
from steepest.data.texts.tokenizer import Tokenizer, Tokens
from steepest.data.texts.tokenizers import make_tokenizer, stored_tokenizer
from steepest.data.texts.vocabulary import BEFORE
from steepest.data.unforeseen import Unforeseen
from steepest.data.variants import ALL, Variant, check_varies, fewer_rows
from steepest.errors import DataError, OptionError
from steepest.wording import counted

COMPONENTS = {
    "text": {
        "object": "TextData",
        "what": "texts: files, a folder, lines, JSON lines",
        "options": ["tokenizer", "block", "stride", "layout", "field", "also"],
    }
}

TARGET, TOKENS = "next token", "tokens"
BLOCK, LAYOUT = 128, "packed"
LEAST_ROWS = 2
"""Training rows; with fewer there is nothing to draw batches from."""


@dataclass(frozen=True)
class TextPipeline(Pipeline):
    """From a new text to rows of tokens.

    Attributes:
        tokenizer: cuts a text into tokens.
        block: T, tokens of a row.
        layout: how documents become rows.
        field: of JSON lines.
        encoding: of files.
        mean: scored tokens of a training row, on average, the unit of weights.
        stride: by how many tokens the windows in which a new text is scored are apart, from 1 to T.
        exact: whether the tokens of the training, validation and test texts give them back.
    """

    kind: ClassVar = "text"
    keeps: ClassVar = False
    task: ClassVar[Task] = "language"  # pyright: ignore[reportIncompatibleVariableOverride]
    target: ClassVar[str] = TARGET  # pyright: ignore[reportIncompatibleVariableOverride]
    classes: ClassVar[tuple[str, ...]] = ()  # pyright: ignore[reportIncompatibleVariableOverride]
    target_scale: ClassVar[TargetScale] = TargetScale()  # pyright: ignore[reportIncompatibleVariableOverride]

    tokenizer: Tokenizer
    block: int
    layout: str
    field: str | None
    encoding: str
    mean: float
    stride: int
    exact: bool = True

    @property
    def required(self) -> tuple[str, ...]:
        """New rows are a text."""
        return ("text",)

    @property
    def labels(self) -> pl.Series:
        """There are no classes."""
        return pl.Series("prediction", [], dtype=pl.String)

    @property
    def shape(self) -> Shape:
        """What a model must know."""
        rows = InputField(TOKENS, TOKENS, (self.block,))
        known = replace(self.tokenizer.vocabulary, exact=self.exact)
        return Shape(self.task, {}, (), self.tokenizer.size, (rows,), vocabulary=known)

    def read(self, source: Any) -> Documents:
        """Return the documents of a source."""
        found = open_catalog(str(source), "text").path if is_name(source) else source
        return read_documents(found, field=self.field, layout=self.layout, encoding=self.encoding)

    @property
    def scoring(self) -> str:
        """In which windows a text is scored, for a reader."""
        return f"window {self.block}, stride {self.stride}"

    def with_stride(self, stride: int) -> TextPipeline:
        """Return the same pipeline with windows that are so far apart, see :meth:`Pipeline.with_stride`."""
        return replace(self, stride=known_stride(stride, self.block))

    def coded(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each text."""
        return [self.tokenizer.encode(each) for each in texts]

    def blocks(self, coded: Sequence[Tokens], *, overlap: bool = True) -> TextRows:
        """Return coded texts as rows: the windows in which they are scored or, without overlap, those of training."""
        stride = self.stride if overlap else self.block
        return blocks_of(coded, self.tokenizer.boundary, self.block, self.layout, stride)

    def part(self, texts: Sequence[str]) -> Part:
        """Return texts as the windows in which they are scored, with weights in units of a training row's."""
        return self.blocks(self.coded(texts)).part(self.mean)

    def transform_batches(
        self, source: Any, rows: int, *, keep: Sequence[str] = (), sure: bool = True
    ) -> Iterator[Encoded]:
        """Yield the rows of a new text, see :meth:`Pipeline.transform_batches`.

        Raises:
            DataError: it cannot be read.
            OptionError: a column is to be kept that a text does not have.
        """
        del sure
        if keep:
            raise OptionError(f"a text has no column {keep[0]!r}", hint="leave --keep out.")
        found = self.read(source)
        coded = self.coded(found.texts)
        windows, kept = self.blocks(coded), fidelity_of(self.tokenizer, found.texts, coded)
        part, (known, places) = windows.part(self.mean), without_overlap(windows.inputs, windows.target)
        notes = [*_about_empty(found, self.layout), *_replaced(found.replaced), *kept.notes()]
        for start in range(0, len(part), rows):
            some = part.map(lambda each, at=start: each[at : at + rows])
            there = places[start : start + rows]
            assert some.weights is not None
            yield Encoded(
                some.inputs,
                pl.int_range(len(some), dtype=pl.UInt32, eager=True),
                len(some),
                Unforeseen(),
                tuple(StepReport("read", each.text, 0) for each in notes) if start == 0 else (),
                wanted=some.target,
                weights=pl.Series("tokens", some.weights.numpy()),
                known_by=(torch.from_numpy(known.inputs[there]), torch.from_numpy(known.target[there])),
                places=there,
                unmeasured=() if kept.exact else BY_TEXT,
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "source": self.kind,
            "tokenizer": self.tokenizer.to_dict(),
            "block": self.block,
            "layout": self.layout,
            "field": self.field,
            "encoding": self.encoding,
            "mean": self.mean,
            "stride": self.stride,
            **({} if self.exact else {"exact": False}),
        }


class TextData(Source):
    """Documents whose next token is predicted.

    Args:
        source: as for :func:`steepest.data.texts.reading.read_documents`, or the name of a data set of the catalog.
        options: how they are split and cut: ``tokenizer``, ``block``, ``layout``, ``field``, ``encoding``.

    Raises:
        DataError: they cannot be read.
        OptionError: an option has no effect on them.

    Example:
        >>> from steepest.data.sources.opening import open_source
        >>> data, _ = open_source(["to be or not to be. " * 30] * 20, reader="text", block=16).make(0)
        >>> data.target, data.shape.outputs, data.train.inputs[0].dtype, data.shape.call
        ('next token', 257, torch.int64, 'model(tokens)')
    """

    uses: ClassVar = frozenset({"split", "split_seed", "validation", "test", "encoding"})

    def __init__(self, source: Any, options: TableOptions) -> None:
        self._source, self.options = source, options
        rule = options.split_rule.refits or options.split_rule
        if rule.several or rule.kind not in ("auto", "random", NOTHING):
            raise OptionError(
                f"--split {options.split} has no effect on a text, which is split by document",
                hint="choose random or none.",
            )
        self._block = options.block or BLOCK
        self._stride = known_stride(options.stride, self._block)
        self._given: dict[str, Any] = {}
        read = source
        if is_name(source):
            paths = open_catalog(str(source), "text").paths
            read, self.name = paths[0], str(source)
            if len(paths) == len(PARTS):
                self._given = dict(zip(PARTS[1:], paths[1:], strict=True))
        elif isinstance(source, str | Path):
            self.name = Path(source).expanduser().resolve().stem
        else:
            self.name = "text"
        for part in PARTS[1:]:
            own = getattr(options, part)
            if isinstance(own, str):
                self._given[part] = own
            elif part in self._given and own != TableOptions.model_fields[part].default:
                raise OptionError(
                    f"--{part} {own:g} has no effect: {self.name} has a {part} text of its own",
                    hint="leave it out.",
                )
        if self._given and rule.kind == NOTHING:
            raise OptionError(
                f"--split none has no effect: there are texts of their own for {' and '.join(self._given)}",
                hint="leave it out.",
            )
        for part, each in self._given.items():
            check_other_file(part, each, {"train": read, **self._given})
        self._read = self._documents(read)
        self._also = None if options.also is None else self._documents(options.also)
        self._others = {part: self._documents(each) for part, each in self._given.items()}

    def _documents(self, source: Any) -> Documents:
        options = self.options
        return read_documents(source, field=options.field, layout=self._layout, encoding=options.encoding)

    @property
    def _layout(self) -> str:
        return self.options.layout or LAYOUT

    @property
    def target(self) -> str:
        """The next token."""
        return TARGET

    @property
    def default_model(self) -> str:
        """The model that is trained where none is named."""
        return "transformer"

    def with_validation(self, share: float) -> TextData:
        """Return the same data with another share for validation, see :meth:`Source.with_validation`."""
        return self if "validation" in self._given else self._split_anew(share)

    @functools.cached_property
    def _texts(self) -> tuple[dict[str, tuple[str, ...]], Note]:
        """The texts of each part, and how they were split."""
        shares = {
            part: 0.0 if part in self._given else float(getattr(self.options, part)) for part in PARTS[1:]
        }
        rule = self.options.split_rule
        if rule.refits is None and rule.kind == NOTHING:
            return dict.fromkeys(PARTS, self._read.texts), Note(
                "info",
                "nothing is held out, so results are on the training text and claim nothing about new ones.",
            )
        seed = self.options.split_seed
        found, how = split_documents(self._read.texts, shares["validation"], shares["test"], seed)
        found |= {part: each.texts for part, each in self._others.items()}
        if rule.refits is not None:
            more = PARTS if rule.tested_too else PARTS[:2]
            every = tuple(text for part in more for text in found[part])
            text = (
                f"trained on the {' and '.join(more)} documents, {len(every):,} in all; nothing is held out."
            )
            return dict.fromkeys(PARTS, every), Note("info", text)
        counts = ", ".join(f"{len(found[part]):,} {part}" for part in PARTS)
        return found, Note("info", f"documents: {counts} ({'texts of their own' if self._given else how}).")

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """What cuts the texts into tokens; one that is learned has seen the training documents only."""
        return make_tokenizer(self.options.tokenizer, self._texts[0]["train"])

    @functools.cached_property
    def _made(self) -> tuple[Dataset, TextPipeline]:
        options, tokenizer = self.options, self.tokenizer
        texts, about_split = self._texts
        block = self._block
        pipeline = TextPipeline(
            tokenizer, block, self._layout, options.field, options.encoding, 1.0, self._stride
        )
        coded = {part: pipeline.coded(each) for part, each in texts.items()}
        kept = {part: fidelity_of(tokenizer, texts[part], each) for part, each in coded.items()}
        blocks = {part: pipeline.blocks(each, overlap=part != "train") for part, each in coded.items()}
        train = blocks["train"]
        if len(train) < LEAST_ROWS:
            tokens = int(train.tokens.sum())
            rows = f"{counted(len(train), 'row')} of {block}: training needs at least {LEAST_ROWS} rows"
            shorter = f", or shorter rows: --block {min(16, tokens // 4)}" if tokens >= 8 else ""
            raise DataError(
                f"the training part of {self.name!r} has {counted(tokens, 'token')}, which "
                f"{'is' if tokens == 1 else 'are'} {rows}",
                hint=f"give more text{shorter}.",
            )
        held_out = options.split_rule.held_out
        for part in PARTS[1:] if held_out else ():
            if not len(blocks[part]):
                raise DataError(
                    f"the {part} part of {self.name} holds no text: no character that is no space",
                    hint=f"remove blanks from the ends of the text, hold more out (--{part} 0.3), or name a text: "
                    f"--{part}-file FILE.",
                )
        mean = float(train.tokens.mean())
        pipeline = replace(pipeline, mean=mean, exact=all(each.exact for each in kept.values()))
        parts = {part: each.part(mean) for part, each in blocks.items()}
        said = options.said()
        if self._stride == block:
            said.pop("stride", None)  # what is done where it is left out
        if options.tokenizer is not None and Path(options.tokenizer).expanduser().exists():
            said.pop("tokenizer")  # its content counts, wherever it is
        digest = hashlib.sha256(json.dumps([said, tokenizer.to_dict()]).encode())
        for each in parts.values():
            for tensor in (*each.inputs, each.target):
                digest.update(np.ascontiguousarray(tensor.numpy()).data)
        lost = sum((kept[part] for part in (PARTS if options.split_rule.held_out else PARTS[:1])), Fidelity())
        also = None
        if self._also is not None:
            others = pipeline.coded(self._also.texts)
            also = pipeline.blocks(others).part(mean)
            lost += fidelity_of(tokenizer, self._also.texts, others)
        if also is not None:
            digest.update(np.ascontiguousarray(also.target.numpy()).data)
        tokens = {part: int(each.tokens.sum()) for part, each in blocks.items()}
        shown = ", ".join(f"{tokens[part]:,} {part}" for part in PARTS if held_out or part == "train")
        scored = "" if self._stride == block else f", scored with {pipeline.scoring}"
        note = (
            f"tokens: {shown}, by {tokenizer.title}{tokenizer.place} ({tokenizer.size:,} pieces), in rows of "
            f"{block}, {self._layout}"
            f"{scored}."
        )
        return Dataset(
            name=self.name,
            target=TARGET,
            train=parts["train"],
            validation=parts["validation"],
            test=parts["test"],
            shape=pipeline.shape,
            notes=(about_split, Note("info", note), *self._about_documents(), *lost.notes()),
            provenance={
                "source": str(self._source) if isinstance(self._source, str | Path) else "texts in memory",
                "rows": {part: len(each) for part, each in blocks.items() if held_out or part == "train"},
                "tokens": tokens,
                "split": options.split,
                "split_seed": options.split_seed,
            },
            fingerprint=digest.hexdigest()[:32],
            held_out=held_out,
            also=also,
            words=InWords(f"up to {block} {BEFORE}", "new.txt", pipeline.scoring),
        ), pipeline

    def _about_documents(self) -> list[Note]:
        """Return what a person should know of the documents: those left out, replaced characters, equal ones."""
        also = [] if self._also is None else [self._also]
        replaced = sum(each.replaced for each in (self._read, *self._others.values(), *also))
        notes = [*_about_empty(self._read, self._layout), *_replaced(replaced)]
        if self.options.split_rule.held_out:
            read = [self._read, *self._others.values()]
            notes += about_equal(self._texts[0], self._layout, read)
        return notes

    def make(self, test_set: int | None) -> tuple[Dataset, TextPipeline]:
        """Return the dataset and its pipeline, see :meth:`Source.make`."""
        del test_set
        return self._made

    def vary(self, variant: Variant, test_set: int | None = None) -> tuple[Dataset, TextPipeline]:
        """Return the dataset with fewer rows of the training text, and its pipeline, see :meth:`Source.vary`.

        A tokenizer that is learned stays that of all training documents.

        Raises:
            OptionError: the variant is of something else, or too few rows would be left.
        """
        del test_set
        if variant.labels:
            raise OptionError(
                f"--labels {variant.labels} has no effect on a text, whose target is its next token",
                hint="leave it out.",
            )
        if not replace(variant, train_rows=ALL).is_neutral:
            raise OptionError(
                "--prepare and --numbers have no effect on a text",
                hint="leave them out: they are for tables.",
            )
        check_varies(variant, self.options)
        whole, pipeline = self._made
        made = fewer_rows(whole, variant, self.options.split_seed)
        counts = {
            "rows": {**whole.provenance["rows"], "train": len(made.train)},
            "tokens": {**whole.provenance["tokens"], "train": int((made.train.target >= 0).sum())},
        }
        return replace(made, provenance={**whole.provenance, **counts}), pipeline

    def describe(self) -> DataOverview:
        """Return counts of documents and tokens, and what of the vocabulary is used, see :meth:`Source.describe`."""
        data, pipeline = self._made
        return overview(self.name, self.kind, self._read, self._others, data, pipeline.tokenizer)

    @property
    def test_rows(self) -> pl.DataFrame:
        """The test rows by their number in the test text, with their text, see :attr:`Source.test_rows`."""
        data, pipeline = self._made
        texts = [pipeline.tokenizer.decode(each[each >= 0].tolist()) for each in data.test.target]
        rows = pl.int_range(len(texts), dtype=pl.UInt32, eager=True)
        return pl.DataFrame({"row": rows, "target": pl.Series(texts, dtype=pl.String)})

    @property
    def sources(self) -> list[Any]:
        """Where the texts are from."""
        more = [] if self.options.also is None else [self.options.also]
        return [self._source, *self._given.values(), *more]

    @classmethod
    def stored_pipeline(cls, stored: Mapping[str, Any]) -> TextPipeline:
        """Return a stored pipeline."""
        block, layout, mean = int(stored["block"]), str(stored["layout"]), float(stored["mean"])
        stride = int(stored.get("stride", block))  # models of earlier versions have none
        if block < 2 or not 1 <= stride <= block or layout not in ("packed", "lines") or not mean > 0:
            raise ValueError(f"rows of {block} tokens, {stride} apart, {layout}")
        field = stored["field"]
        tokenizer = stored_tokenizer(stored["tokenizer"])
        return TextPipeline(
            tokenizer,
            block,
            layout,
            None if field is None else str(field),
            str(stored["encoding"]),
            mean,
            stride,
            bool(stored.get("exact", True)),
        )

    def __repr__(self) -> str:
        return f"TextData({self.name!r}, {counted(len(self._read), 'document')})"


def known_stride(stride: int | None, block: int) -> int:
    """Return by how many tokens windows are apart: a block where that is left out.

    Raises:
        OptionError: windows would leave tokens out, or would not move.

    Example:
        >>> known_stride(None, 128), known_stride(32, 128)
        (128, 32)
    """
    if stride is not None and not 1 <= stride <= block:
        raise OptionError(
            f"--stride {stride} does not fit windows of {counted(block, 'token')}"
            + (
                f": {counted(stride - block, 'token')} between two would not be scored"
                if stride > block
                else ""
            ),
            hint=f"give --stride from 1 to {block}, or a larger --block.",
        )
    return stride or block


def _about_empty(found: Documents, layout: str) -> list[Note]:
    """Return a note of what was left out because it holds no text."""
    if not found.empty:
        return []
    what = counted(found.empty, "empty line" if layout == "lines" else "empty document")
    share = f", {found.empty / (found.empty + len(found)):.0%} of them," if layout == "lines" else ""
    return [
        Note(
            "info",
            f"{what}{share} {'is' if found.empty == 1 else 'are'} left out: nothing in them is scored.",
        )
    ]


def _replaced(count: int) -> list[Note]:
    return [Note("warning", about_replaced(count))] if count else []
