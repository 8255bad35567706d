"""What fine-tuning needs, and what adapters cannot be combined with, checked before anything is trained."""

from __future__ import annotations

from torch import nn

from steepest.data.dataset import Dataset, Note
from steepest.errors import OptionError
from steepest.evaluate.outputs import predict
from steepest.finetuning import no_curvature, structural_text
from steepest.finetuning.adapters import check_called
from steepest.procedures.procedure import Procedure
from steepest.sweep.wanted import Wanted
from steepest.train.drawn import begins_trained


def check_adapters(arm: Wanted, procedure: Procedure, net: nn.Module, data: Dataset) -> None:
    """Raise an ``OptionError`` if adapters of an arm would do nothing, or do not fit what else it has.

    Args:
        arm: with adapters or without.
        procedure: its procedure.
        net: its model.
        data: its data.
    """
    way = structural_text(arm.finetune)
    if not way:
        return
    check_called(net, lambda: predict(net, tuple(each[:2] for each in data.validation.inputs)), way)
    if procedure.prunes:
        raise OptionError(
            f"{procedure.title} cannot prune a model with adapters: --finetune {way!r} holds the layers' weights",
            hint="prune a model that is trained itself: leave --finetune out, or give 'last(2)'.",
        )
    spec = arm.optimizer.rule
    if spec.curved and (why := no_curvature(way)):
        raise OptionError(
            f"{spec.called} cannot train --finetune {way!r}: it uses curvature, and {why}",
            hint="take --finetune lora, or an optimizer that needs a gradient alone, such as adamw.",
        )


def about_start(arm: Wanted, data: Dataset) -> list[Note]:
    """Return a warning if a part of a model is trained, or adapters beside it, and the rest was never trained.

    Args:
        arm: with a way of fine-tuning or without.
        data: its data.
    """
    if not arm.finetune or begins_trained(arm.model, data.shape):
        return []
    cure = (
        "--model 'transformer(start=FOLDER)' or hf:FOLDER"
        if data.shape.takes == "tokens"
        else "a model of your own that loads its weights, --model FILE.py:NAME"
    )
    text = (
        f"--finetune trains a part of {arm.model_text}, and the rest stays as it was drawn at random: nothing is "
        f"fine-tuned. Begin with a trained network: {cure}."
    )
    return [Note("warning", text)]
