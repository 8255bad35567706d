"""What adapters cannot be combined with, checked before anything is trained."""

from __future__ import annotations

from torch import nn

from steepest.data.dataset import Dataset
from steepest.errors import OptionError
from steepest.evaluate.outputs import predict
from steepest.finetuning import no_curvature, structural_text
from steepest.finetuning.adapters import check_called
from steepest.procedures.procedure import Procedure
from steepest.sweep.arms import Wanted


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
