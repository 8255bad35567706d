"""The network that fine-tuning begins with, as it is, and in the numbers that a way of fine-tuning puts it in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from steepest.components import grammar
from steepest.components.identity.weights import of_weights
from steepest.data.dataset import Dataset
from steepest.errors import OptionError
from steepest.evaluate.baselines._contract import Baseline, FittedBaseline
from steepest.evaluate.baselines._estimators import NOT_SAVED
from steepest.evaluate.baselines.language import is_text
from steepest.finetuning import read_finetuning
from steepest.finetuning.quantised import bytes_of_base, numbers_in
from steepest.models import ModelBuilder, begins_from, build_model
from steepest.wording import memory_text

COMPONENTS = {
    "base": {
        "object": "BASE",
        "what": "the network that arms begin with, before training",
        "groups": ["language"],
    }
}

BASES = "base"
"""The baseline that means all networks that arms begin with."""


def fit_base(
    model: str,
    finetune: str,
    dataset: Dataset,
    *,
    seed: int,
    metric: str,
    class_weights: Tensor | None,
    budget: float,
) -> FittedBaseline:
    """Return the network that arms begin with, where its weights are those of a file: no seed changes them.

    Such a row is added for every model that begins with a file's weights (``hf:FOLDER``, ``transformer(start=…)``), and
    one more for its base in 4 bits where an arm has that. The settings say how many parameters it has, and what they
    take in memory.

    Raises:
        OptionError: no network is named.
    """
    del seed, metric, class_weights, budget
    if not model:
        raise none_known()
    net = build_model(model, dataset.shape, finetune=finetune)
    if not finetune:
        net.requires_grad_(False)
    own, wide = bytes_of_base(net)  # without adapters, which are trained
    count = sum(numbers_in(each) for each in net.parameters() if not each.requires_grad)
    beside = f" instead of {memory_text(wide)} in 32 bits" if own != wide else ""
    said = f"before training; {count:,} parameters, {memory_text(own)}{beside}; {NOT_SAVED}"
    return FittedBaseline(net, said, parameter_bytes=own)


def base(model: str, finetune: str = "", called: str = "") -> Baseline:
    """Return the baseline of a network.

    Args:
        model: its specification.
        finetune: the way of fine-tuning whose base it is; empty for the network as it is.
        called: its name for a reader, where several networks are compared.

    Raises:
        OptionError: its weights are not those of a file.

    Example:
        >>> base("hf:smollm2").title, base("hf:smollm2", "qlora(1)", "smollm2").title
        ('base', 'base smollm2 in NF4')
    """
    start = begins_from(model)
    if not start:
        raise OptionError(
            f"the model {model!r} begins with weights that are drawn, so it is no baseline",
            hint="name one that begins with a file's: base(model='hf:FOLDER').",
        )
    kind = read_finetuning(finetune).base_as[1]
    title = " ".join(filter(None, (BASES, called, kind)))
    return Baseline(
        title,
        partial(fit_base, model, finetune),
        None,
        choices=of_weights(start),
        serves=is_text,
        configured=base,
        network=True,
    )


def with_bases(asked: Sequence[str], models: Iterable[tuple[str | ModelBuilder, str]]) -> list[str]:
    """Return the baselines that are asked for, of which ``base`` alone means those of all models.

    Raises:
        OptionError: ``base`` is asked for, and no model begins with a file's weights.

    Example:
        >>> with_bases(["bigram", "base"], [("hf:smollm2", "lora(8, 16)")])
        ['bigram', "base(model='hf:smollm2')"]
    """
    if BASES not in asked:
        return list(asked)
    found = bases_of(models)
    if not found:
        raise none_known()
    return [name for each in asked for name in (found if each == BASES else [each])]


def none_known() -> OptionError:
    """Return the error of the baseline ``base`` without a network."""
    return OptionError(
        "the baseline base is the network that training begins with, and none begins with weights of a file",
        hint="name one, --model hf:FOLDER, or leave base out.",
    )


def bases_of(models: Iterable[tuple[str | ModelBuilder, str]]) -> list[str]:
    """Return the bases of models and ways of fine-tuning as baselines: of models that begin with a file's weights.

    Example:
        >>> bases_of([("hf:a/hf", "lora(8, 16)"), ("hf:a/hf", "qlora(8, 16)"), ("transformer", "")])
        ["base(model='hf:a/hf')", "base(model='hf:a/hf', finetune='qlora(1, 2)')"]
        >>> bases_of([("hf:a/hf", ""), ("hf:b/hf", "")])
        ["base(model='hf:a/hf', called='a/hf')", "base(model='hf:b/hf', called='b/hf')"]
    """
    starting = [(model, way) for model, way in models if isinstance(model, str) and begins_from(model)]
    called = _called(list(dict.fromkeys(model for model, _ in starting)))
    found: list[str] = []
    for model, way in starting:
        for base_way in ("", read_finetuning(way).base_as[0]):
            options = {"model": model, "finetune": base_way, "called": called[model]}
            given = {name: value for name, value in options.items() if value}
            found.append(str(grammar.Spec(BASES, (), given)))
    return list(dict.fromkeys(found))


def _called(models: list[str]) -> dict[str, str]:
    """Return what models are called: the last parts of their paths that tell them apart; nothing for a single one."""
    if len(models) < 2:
        return dict.fromkeys(models, "")
    parts = {model: Path(begins_from(model) or "").parts for model in models}
    for count in range(1, max(map(len, parts.values())) + 1):
        names = {model: "/".join(each[-count:]) for model, each in parts.items()}
        if len(set(names.values())) == len(models):
            return names
    return {model: model for model in models}


def never(dataset: Dataset) -> bool:
    """No dataset: which networks there are is known by the arms."""
    del dataset
    return False


BASE = Baseline(
    BASES, partial(fit_base, "", ""), None, serves=is_text, usual=never, configured=base, network=True
)
