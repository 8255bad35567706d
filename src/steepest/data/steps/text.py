"""Columns of free text to a fixed number of columns of numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from steepest.data.steps import Context, Learned, LearnedStep, StepReport
from steepest.data.steps._values import convert
from steepest.errors import PreparationError
from steepest.wording import counted

COMPONENTS = {"text": {"object": "Text", "what": "turn free text into a fixed number of columns of numbers"}}

BLOCK_ROWS = 1 << 14
"""Rows whose words are counted at a time."""

SHOWN_WORDS = 5
"""Words that a report names."""


class Text(LearnedStep):
    """Turn columns of free text into a fixed number of columns of numbers, by the words of each text.

    Words are runs of two letters or digits and more, in lower case, as scikit-learn's vectorizers count them. With
    ``tfidf`` the most frequent words of the training rows get a column each, the most widespread first: a word that is
    ``n`` times in a text has the weight ``(1 + ln n) · (1 + ln((1 + texts) / (1 + texts with it)))``, and a text's
    weights are divided by the root of the sum of their squares. With ``hashed`` nothing is learned: each word is
    counted, with a sign, in the column that its hash names, so that rare words count too, and several words share a
    column. The columns are called after the text and numbered: ``review 1`` to ``review 128``.

    Args:
        columns: names (``column = "a"`` for one).
        method: ``tfidf`` or ``hashed``.
        size: how many columns become of each; with fewer different words the last ones are 0.

    Raises:
        PreparationError: a column is not there, is the target or holds no texts, or its training rows hold no word.

    Example:
        >>> step = Text(columns=["review"], size=2)
        >>> known = step.learn(pl.DataFrame({"review": ["A good one", "good, good!", None, "bad, bad"]}), Context())
        >>> known["review"]["word"].to_list()
        ['good', 'bad']
        >>> rows, report = step.fill(pl.DataFrame({"review": ["Bad.", None]}), known, Context())
        >>> rows.to_dict(as_series=False)
        {'review 1': [0.0, 0.0], 'review 2': [1.0, 0.0]}
    """

    use = "text"
    columns: Annotated[list[str], Field(min_length=1)]
    method: Literal["tfidf", "hashed"] = "tfidf"
    size: Annotated[int, Field(ge=1)] = 128

    def inputs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def without(self, columns: Collection[str]) -> Self | None:
        left = [each for each in self.columns if each not in columns]
        return self.model_copy(update={"columns": left}) if left else None

    def roles(self) -> dict[str, str]:
        return {name: "continuous" for column in self.columns for name in self.names(column)}

    def sources(self, names: frozenset[str]) -> frozenset[str]:
        made = {column: frozenset(self.names(column)) for column in self.columns}
        whole = {column for column, each in made.items() if each & names}
        return names.difference(*made.values()) | whole

    def names(self, column: str) -> list[str]:
        """Return the names of the columns that a text becomes."""
        return [f"{column} {i}" for i in range(1, self.size + 1)]

    def check(self, schema: pl.Schema, context: Context) -> None:
        super().check(schema, context)
        if context.target in self.columns:
            raise PreparationError(
                f"step 'text' would take the target {context.target!r} apart",
                hint="name other columns.",
            )
        for column in self.columns:
            dtype = schema[column]
            if not context.predicting and not isinstance(
                dtype, pl.String | pl.Categorical | pl.Enum | pl.Null
            ):
                raise PreparationError(
                    f"step 'text': column {column!r} holds {dtype}, not texts",
                    hint=f"leave {column} out of the step (--text); numbers and dates are used as they are.",
                )
            taken = [name for name in self.names(column) if name in schema]
            if taken:
                raise PreparationError(
                    f"step 'text' makes a column {taken[0]!r}, which is there already",
                    hint=f"rename {column} or {taken[0]} first, with a rename step.",
                )

    def learn(self, train: pl.DataFrame, context: Context) -> Learned:
        return {column: self._learned(train[column]) for column in self.columns}

    def _learned(self, values: pl.Series) -> pl.DataFrame:
        if self.method == "hashed":
            return pl.DataFrame({"word": [], "idf": []}, {"word": pl.String, "idf": pl.Float64})
        vectorizer = _vectorizer(self)
        try:
            vectorizer.fit(text for block in _blocks(values) for text in block)
        except ValueError:  # no word, and so no vocabulary
            raise PreparationError(
                f"step 'text': column {values.name!r} holds no word of two letters in the training rows",
                hint=f"leave {values.name} out: take it out of the step (--text), and --drop it.",
            ) from None
        words, idf = vectorizer.get_feature_names_out().tolist(), vectorizer.idf_.tolist()
        return pl.DataFrame({"word": words, "idf": idf}).sort("idf", "word")

    def fill(
        self, frame: pl.DataFrame, learned: Learned, context: Context
    ) -> tuple[pl.DataFrame, StepReport]:
        said: list[str] = []
        empty = 0
        for column in self.columns:
            known, values = learned[column], frame[column]
            weights = self._weights(values, known)
            none = int((~weights.any(axis=1)).sum())
            empty += none
            made = pl.DataFrame(weights, schema=dict.fromkeys(self.names(column), pl.Float32), orient="row")
            at = frame.get_column_index(column)
            frame = pl.concat([frame[:, :at], made, frame[:, at + 1 :]], how="horizontal")
            said.append(self._said(column, known, values.null_count(), none))
        return frame, StepReport(self.use, "; ".join(said), empty)

    def _said(self, column: str, known: pl.DataFrame, missing: int, none: int) -> str:
        text = f"{column}: {counted(self.size, 'column')} of its words, "
        words = known["word"].to_list()
        listed = ", ".join(words[:SHOWN_WORDS]) + (", …" if len(words) > SHOWN_WORDS else "")
        text += (
            "hashed" if self.method == "hashed" else f"the {len(words)} most frequent in training ({listed})"
        )
        what = "" if self.method == "hashed" else " of them"
        return text + (
            f"; {counted(none, 'text')} without any{what}, {missing:,} of them missing" if none else ""
        )

    def _weights(self, values: pl.Series, known: pl.DataFrame) -> NDArray[np.float32]:
        """Return the numbers of texts, ``[N, size]``."""
        found = np.zeros((len(values), self.size), np.float32)
        vectorizer = _vectorizer(self, known)
        at = 0
        for block in _blocks(values):
            rows = vectorizer.transform(block).toarray()
            found[at : at + len(block), : rows.shape[1]] = rows
            at += len(block)
        return found


def _vectorizer(step: Text, known: pl.DataFrame | None = None) -> Any:
    """Return scikit-learn's vectorizer, with what it has learned."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer  # slow to import

    if step.method == "hashed":
        return HashingVectorizer(n_features=step.size)
    if known is None:
        return TfidfVectorizer(max_features=step.size, sublinear_tf=True)
    found = TfidfVectorizer(vocabulary=known["word"].to_list(), sublinear_tf=True)
    found.idf_ = known["idf"].to_numpy()
    return found


def _blocks(values: pl.Series) -> Iterator[list[str]]:
    """Yield texts, some at a time; a missing one is empty."""
    texts = values.to_frame().select(convert(pl.col(values.name), values.dtype, pl.String())).to_series()
    for at in range(0, len(texts), BLOCK_ROWS):
        yield texts[at : at + BLOCK_ROWS].fill_null("").to_list()
