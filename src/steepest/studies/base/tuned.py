"""What studies of fine-tuning have in common: the network that they begin with, texts, and losses before and after."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steepest.data.dataset import InputField, Shape
from steepest.data.texts.tokenizers import make_tokenizer
from steepest.errors import OptionError
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

ATTENTION: Mapping[str, str] = {"own": "query,key,value", "folder": "q_proj,k_proj,v_proj"}
"""The layers q, k and v: of networks of ours, and of most models of Hugging Face."""


class FineTuningStudy(Study):
    """A study that begins with a trained language model.

    Args:
        model: the folder of a causal language model of Hugging Face with its tokenizer; by default a small network of
            children's stories, or with ``--quick`` one that is trained here.
        attention: the names of its layers q, k and v, with commas.
    """

    def __init__(self, model: str = "", attention: str = "") -> None:
        if model and not Path(model).expanduser().is_dir():
            raise OptionError(
                f"the study {self.name}: there is no folder {model!r}",
                hint=f"name the folder of a causal language model: '{self.name}(model=FOLDER)'.",
            )
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
        return self._attention or ATTENTION["folder" if self.model else "own"]

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
        file = Path(tokenizer).expanduser()
        file = file / "tokenizer.json" if file.is_dir() else file
        parts = (wikitext if source == "wikitext" else shakespeare)(characters, test)
        called = {"wikitext": "WikiText", "shakespeare": "plays of Shakespeare"}[source]
        return kept_text(source, source, called, parts, {"tokenizer": file.as_posix(), **options})


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
        StudyColumn("perplexity before", exponential(before), percent=False, digits=2),
        StudyColumn("perplexity after", exponential(after), percent=False, digits=2),
    ]


def from_to(found: Found, arm: str, of: str = "") -> str:
    """Return the perplexity before and after, of means over seeds, and the loss after with its interval."""
    later = after(found, of, arm)
    return (
        f"{perplexity(before(found, of, arm))} → {perplexity(later)} "
        f"(loss per token {mean_text(later, percent=False, digits=3)})"
    )
