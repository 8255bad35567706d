"""A saved language model goes on with a text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from steepest.data.sources.text import TextPipeline
from steepest.data.texts.reading import whole
from steepest.errors import ModelError
from steepest.generating import TEMPERATURE, TOKENS, TOP_K
from steepest.generating.sampling import sampled
from steepest.models import ModelBuilder
from steepest.prediction.model import TrainedModel


@dataclass(frozen=True)
class Generated:
    """A text that a model has gone on with.

    Attributes:
        prompt: what was given, with U+FFFD for what is no character.
        text: what was drawn.
        tokens: how many tokens that is.
        ended: whether the model ended the document itself.
        replaced: how many U+FFFD these are.
        writer: which model wrote, where it was loaded with its record.
    """

    prompt: str
    text: str
    tokens: int
    ended: bool
    replaced: int = 0
    writer: str = ""

    def __str__(self) -> str:
        return f"{self.prompt}{self.text}"


def generate(
    model: TrainedModel | str | Path,
    prompt: str = "",
    *,
    tokens: int = TOKENS,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    seed: int = 0,
    arm: str | None = None,
    own: str | ModelBuilder | None = None,
) -> Generated:
    """Go on with a text; the same seed draws the same tokens.

    Args:
        model: a trained model, or the folder of a comparison or of one of its models.
        prompt: the beginning; empty for the beginning of a document.
        tokens: how many are drawn at most; fewer where the model ends the document.
        temperature: from 0, where the most probable token is always taken; larger draws less probable ones more often.
        top_k: of how many of the most probable tokens one is drawn; 0 for all.
        seed: of the draws.
        arm: the name, label or id of an arm, for its network instead of the recommended model.
        own: the user's own model again, if it was trained.

    Raises:
        FolderError: there is no model.
        ModelError: it is no model of texts.
        OptionError: a number is out of its range.
    """
    made = model if isinstance(model, TrainedModel) else TrainedModel.load(model, model=own, arm=arm)
    pipeline = made.pipeline
    if not isinstance(pipeline, TextPipeline):
        raise ModelError(
            f"{made.title} predicts {made.about.target!r} and writes no text",
            hint="generate needs a model that was trained on a text: steepest compare TEXTS --kind text.",
        )
    found = go_on(made.net, pipeline, prompt, tokens=tokens, temperature=temperature, top_k=top_k, seed=seed)
    return replace(found, writer=made.title)


def go_on(
    net: nn.Module,
    pipeline: TextPipeline,
    prompt: str,
    *,
    tokens: int = TOKENS,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    seed: int = 0,
) -> Generated:
    """Go on with a text by a network, see :func:`generate`."""
    tokenizer = pipeline.tokenizer
    prompt, replaced = whole(prompt)
    start = [tokenizer.boundary, *(tokenizer.encode(prompt).tolist() if prompt else ())]
    how = {"tokens": tokens, "top_k": top_k, "seed": seed}
    found = sampled(net, start, window=pipeline.block, stop=tokenizer.ends, temperature=temperature, **how)
    every, before = tokenizer.decode([*start, *found]), tokenizer.decode(start)
    text = every[len(before) :] if every.startswith(before) else tokenizer.decode(found)
    return Generated(prompt, text, len(found), len(found) < tokens, replaced)
