"""What studies of fine-tuning have in common: the network that they begin with, texts, and losses before and after."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from steepest.components.identity.weights import of_weights
from steepest.components.prefixes.hf import find, loaded
from steepest.data.dataset import InputField, Shape
from steepest.data.texts.tokenizers import load_tokenizer, make_tokenizer
from steepest.errors import DataError, ModelError, OptionError
from steepest.finetuning.attention import as_targets, attention_layers
from steepest.studies.base.cells import PerplexityColumn
from steepest.studies.base.data import StudyData
from steepest.studies.base.found import Found, StudyColumn, mean_text
from steepest.studies.base.study import Size, Study
from steepest.studies.base.texts import (
    SMALL,
    STORIES,
    kept_text,
    made_up,
    shakespeare,
    stories_folder,
    wikitext,
)

OWN = "query,key,value"
"""The layers q, k and v of networks of ours."""


class FineTuningStudy(Study):
    """A study that begins with a trained language model.

    Args:
        model: the folder of a causal language model of Hugging Face with its tokenizer; by default a small network of
            children's stories, or with ``--quick`` one that is trained here.
        attention: the names of its layers q, k and v, with commas; by default those that read what its layers of
            attention are given.

    Raises:
        ModelError: the folder has no causal language model that can be read.
        DataError: it has no tokenizer.
    """

    def __init__(self, model: str = "", attention: str = "") -> None:
        if model:
            model = Path(model).expanduser().absolute().as_posix()
            find(model)
            _check_tokenizer(model)
        self.model, self._attention = model, attention

    def base(self, size: Size) -> str:
        """Return what the arms' networks begin with.

        Raises:
            OptionError: a folder is named, and the size trains a network of its own.
        """
        if size == "quick" and self.model:
            raise OptionError(
                f"the model {self.model!r} has no effect with --quick, which trains a network of its own",
                hint="leave --quick out.",
            )
        return self.model or (SMALL if size == "quick" else STORIES)

    def start(self, size: Size) -> str:
        """Return the specification of the network that the arms begin with."""
        base = self.base(size)
        return f"hf:{base}" if self.model else f"steepest.studies.base.texts:pretrained(base={base!r})"

    @property
    def attention(self) -> str:
        """The names of the layers q, k and v."""
        return self._attention or (_attention_of(self.model, of_weights(self.model)) if self.model else OWN)

    def text(self, size: Size, source: str, characters: int, test: int, **options: Any) -> StudyData:
        """Return a text for the network of a size: with ``quick`` one of made-up words.

        Args:
            size: of the study.
            source: ``wikitext`` or ``shakespeare``.
            characters, test: how many to learn from, and of the test text.
            options: how it is read besides the tokenizer.

        Raises:
            DataError: the text or the network is not on this machine.
        """
        base = self.base(size)
        if base == SMALL:
            parts = made_up(characters, test)
            return kept_text("made-up", "made-up words", "made-up words", parts, {"block": 64, **options})
        tokenizer = self.model or (stories_folder() / "tok512.bin").as_posix()
        parts = (wikitext if source == "wikitext" else shakespeare)(characters, test)
        called = {"wikitext": "WikiText", "shakespeare": "plays of Shakespeare"}[source]
        return kept_text(source, source, called, parts, {"tokenizer": tokenizer, **options})


def _check_tokenizer(folder: str) -> None:
    """Raise a ``DataError`` if there is no tokenizer that texts can be cut by for the model in a folder."""
    try:
        load_tokenizer(Path(folder))
    except DataError as error:
        raise DataError(
            error.fact, hint=f"put the model's tokenizer.json, or its tok*.bin, into {folder}."
        ) from error


@functools.lru_cache(maxsize=4)
def _attention_of(folder: str, content: str) -> str:
    """Return the layers q, k and v of a model, which is opened once as long as its files have this content.

    Raises:
        ModelError: it cannot be opened, or has no layers of attention that can be found.
    """
    del content
    net, tokens = loaded(Path(folder)), torch.zeros((1, 2), dtype=torch.int64)
    with torch.no_grad():
        names = attention_layers(net, lambda: net(input_ids=tokens, use_cache=False))
    if not names:
        raise ModelError(
            f"no layers of attention are found in the model in {folder!r}",
            hint="name its layers q, k and v by endings of their names: attention='q_proj,k_proj,v_proj' beside model.",
        )
    return as_targets(names, net)


def shape_of(data: StudyData) -> Shape:
    """Return what a network must know of a study's text."""
    named = data.options.get("tokenizer")
    cut = make_tokenizer(None if named is None else (data.path.parent / named).as_posix(), ())
    rows = InputField("tokens", "tokens", (int(data.options.get("block", 128)),))
    return Shape("language", {}, (), cut.size, (rows,), vocabulary=cut.vocabulary)


def before(found: Found, of: str, arm: str) -> list[float]:
    """Return the loss per token on the test text before training, of every seed."""
    return [each.also_before.get("token_loss", math.nan) for each in found.records(arm, of)]


def after(found: Found, of: str, arm: str) -> list[float]:
    """Return the loss per token on the test text with the best-validation weights, of every seed."""
    return found.values("token_loss", arm, of=of)


def perplexity(losses: Sequence[float]) -> str:
    """Return the exponential of a mean loss.

    Example:
        >>> perplexity([math.log(9), math.log(9)]), perplexity([math.nan])
        ('9.00', '–')
    """
    mean = sum(losses) / len(losses)
    return "–" if math.isnan(mean) else f"{math.exp(mean):.2f}"


def before_after() -> list[StudyColumn]:
    """Return the columns of a table: loss per token and perplexity on the test text, before and after."""

    def exponential(of: Callable[[Found, str, str], list[float]]) -> Callable[[Found, str, str], list[float]]:
        return lambda found, part, arm: [math.exp(each) for each in of(found, part, arm)]

    return [
        StudyColumn("loss per token before", before, percent=False, digits=3),
        StudyColumn("after", after, percent=False, digits=3),
        PerplexityColumn("perplexity before", exponential(before)),
        PerplexityColumn("perplexity after", exponential(after)),
    ]


def from_to(found: Found, arm: str, of: str = "") -> str:
    """Return the perplexity before and after, of means over seeds, and the loss after with its interval."""
    later = after(found, of, arm)
    return (
        f"{perplexity(before(found, of, arm))} → {perplexity(later)} "
        f"(loss per token {mean_text(later, percent=False, digits=3)})"
    )
