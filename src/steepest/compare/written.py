"""What there is to say of language models besides the metrics: what they write, and what they have forgotten."""

from __future__ import annotations

from pydantic import Field

from steepest.record.schema import Frozen


class WrittenSample(Frozen):
    """What an arm's saved network writes behind a beginning, before and after training, by the same draws."""

    arm: str
    before: str
    after: str


class OtherText(Frozen):
    """A metric of an arm on another text, as means over its seeds.

    Attributes:
        arm: its title.
        metric: the metric's name; ``title`` how it is written.
        before, after: with the first weights and with the best-validation weights.
        changes: of each seed, after minus before.
    """

    arm: str
    metric: str
    title: str
    before: float
    after: float
    changes: list[float] = Field(default_factory=list)


class WrittenTexts(Frozen):
    """Texts of a comparison.

    Attributes:
        prompt: the beginning of a test text, which networks go on with.
        temperature, top_k: how the tokens are drawn.
        samples: of each arm.
        other: measures on another text, of each arm and metric.
        drawn: the arms whose first weights were drawn at random, which have nothing to forget.
    """

    prompt: str
    temperature: float
    top_k: int
    samples: list[WrittenSample] = Field(default_factory=list)
    other: list[OtherText] = Field(default_factory=list)
    drawn: list[str] = Field(default_factory=list)
