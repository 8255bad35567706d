"""What the networks of a comparison of texts write before and after training, and how they do on another text."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from steepest.compare.evidence import Evidence, estimate_of
from steepest.compare.summary import best_run
from steepest.compare.written import OtherText, WrittenSample, WrittenTexts
from steepest.data.sources.text import TextPipeline
from steepest.evaluate.metrics import metric_info
from steepest.experiment.data import Datasets
from steepest.generating import TEMPERATURE, TOP_K
from steepest.generating.generate import go_on
from steepest.sweep.observer import Observer
from steepest.sweep.plan import finals
from steepest.train.drawn import begins_trained, first_model

PROMPT_WORDS, TOKENS = 6, 100
MEASURED = ("token_loss", "perplexity")


def texts_of(
    evidence: Evidence,
    networks: Mapping[str, nn.Module],
    datasets: Datasets,
    own: str,
    observer: Observer,
) -> WrittenTexts | None:
    """Return samples of every arm's network and its measures on another text; None where the data is no text.

    Args:
        evidence: the runs.
        networks: the saved network of every arm, by its title.
        datasets: of the comparison; networks go on with the first of their test rows.
        own: the fingerprint of the one that the networks are of.
        observer: is told whose sample is written.
    """
    dataset, pipeline = datasets[own], datasets.pipeline(own)
    if not isinstance(pipeline, TextPipeline):
        return None
    prompt = " ".join(str(datasets.source.test_rows["target"][0]).split()[:PROMPT_WORDS])
    samples: list[WrittenSample] = []
    other: list[OtherText] = []
    for arm in evidence.setup.arms:
        net, run = networks.get(arm.title), best_run(evidence, arm, 0)
        if net is not None and run is not None:
            observer.stage(f"writing a sample: {arm.title}")
            recipe = arm.recipe
            first = first_model(
                arm.model or recipe.model, dataset.shape, run.key.seed, recipe.draw, recipe.finetune
            )
            before, after = (
                shown(go_on(each, pipeline, prompt, tokens=TOKENS).text) for each in (first, net)
            )
            samples.append(WrittenSample(arm=arm.title, before=before, after=after))
        records = evidence.of(finals(evidence.setup, arm, evidence.chosen))
        known = [each for each in records if each.also_after]
        for metric in MEASURED if known else ():
            pairs = [
                (each.also_before[metric], each.also_after[metric])
                for each in known
                if metric in each.also_after
            ]
            if not pairs:
                continue
            before, after = (estimate_of(values, metric).mean for values in zip(*pairs, strict=True))
            changes = [late - early for early, late in pairs]
            other.append(
                OtherText(
                    arm=arm.title,
                    metric=metric,
                    title=metric_info(metric).title,
                    before=before,
                    after=after,
                    changes=changes,
                )
            )
    models = {arm.recipe.model: arm.model or arm.recipe.model for arm in evidence.setup.arms}
    drawn = {text for text, model in models.items() if not begins_trained(model, dataset.shape)}
    return WrittenTexts(
        prompt=prompt,
        temperature=TEMPERATURE,
        top_k=TOP_K,
        samples=samples,
        other=other,
        drawn=[arm.title for arm in evidence.setup.arms if arm.recipe.model in drawn],
    )


def shown(text: str) -> str:
    """Return a text in which characters that cannot be shown are marked.

    Example:
        >>> shown("a\\tb\\x07")
        'a\\tb�'
    """
    return "".join(each if each.isprintable() or each in "\n\t" else "�" for each in text)
