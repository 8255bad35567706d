"""Low-rank adapters of linear layers, made by the library PEFT."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import safetensors.torch
import torch
from pydantic import Field, field_validator, model_validator
from torch import nn

from steepest.components.identity.weights import PEFT_CONFIG, PEFT_WEIGHTS
from steepest.components.quiet import quiet
from steepest.errors import MissingExtraError, OptionError, first_line
from steepest.finetuning import FineTuning
from steepest.finetuning.quantised import numbers_in
from steepest.finetuning.targets import (
    ALL_LINEAR,
    layers_text,
    meant_by_endings,
    pattern_of,
    stacked_weights,
    target_names,
)

ADAPTER = "default"
"""What PEFT calls an adapter that has no name."""
WEIGHTS, CONFIG = PEFT_WEIGHTS, PEFT_CONFIG
"""The files of an adapter, as PEFT reads them."""
PREFIX = "base_model.model."
"""How PEFT begins the names of an adapter's weights."""


class LowRank(FineTuning):
    r"""A way that adds a product of two thin matrices to linear layers, and trains these alone.

    .. math:: W x \;\to\; W x + \frac{\alpha}{r} B A x, \qquad A \in R^{r \times d},\ B \in R^{k \times r}

    ``A`` is drawn as the weights of a linear layer are, and ``B`` begins at 0: the first outputs are those of the base.
    """

    structural = True
    by_name = ("dropout", "targets")
    left_out: ClassVar[str] = "no adapter"
    """What weights get that are no linear layer."""

    r: int = Field(
        default=8, ge=1, description="rank r, the rows of A and columns of B; a whole number from 1"
    )
    alpha: float | None = Field(
        default=None,
        gt=0,
        description="α; the product is scaled by α/r, which is not tuned; a number above 0; by default 2 r",
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of a layer's inputs that a training step leaves out in front of A; from 0 to below 1",
    )
    targets: str = Field(
        default=ALL_LINEAR,
        description="layers that are adapted, by endings of their names, such as 'q_proj,v_proj'; by default all "
        "linear layers but the output layer",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_scale(cls, given: Any) -> Any:
        rank = given.get("r", cls.model_fields["r"].default)
        return (
            given
            if given.get("alpha") is not None or not isinstance(rank, int)
            else {**given, "alpha": 2 * rank}
        )

    @field_validator("alpha")
    @classmethod
    def _whole(cls, value: float | None) -> float | None:
        return int(value) if value is not None and value == int(value) else value

    @field_validator("targets", mode="before")
    @classmethod
    def _in_one_way(cls, value: Any) -> Any:
        texts = value.split(",") if isinstance(value, str) else value
        if not (isinstance(texts, list | tuple) and all(isinstance(each, str) for each in texts)):
            raise ValueError("not a text")
        found = sorted({each.strip() for each in texts} - {""})
        if not found or (ALL_LINEAR in found and len(found) > 1):
            raise ValueError("no names")
        return ", ".join(found)

    @property
    def scale(self) -> float:
        """α/r, by which the product is multiplied."""
        return (self.alpha or 0.0) / self.r

    @property
    def said(self) -> str:
        """The scale, which is held."""
        return f"scale α/r = {self.scale:g}, held"

    def said_of(self, model: nn.Module) -> str:
        """Return what is said of any, which layers are smaller than the rank, and which weights get no adapter."""
        return "; ".join([self.said, *self.remarks(model)])

    def remarks(self, model: nn.Module) -> list[str]:
        """Return what is to be known of the layers of a model that was adapted in this way."""
        layers = [*adapted_layers(model)]
        small = [name for name, each in layers if min(each.in_features, each.out_features) < self.r]
        found = [f"rank {self.r} is above the smaller side of {layers_text(small)}"] if small else []
        stacked = stacked_weights(model) if self.targets == ALL_LINEAR else {}
        if stacked:
            share = sum(stacked.values()) / sum(map(numbers_in, model.parameters()))
            what = f"{layers_text([*stacked])}, {100 * share:.2g} % of the parameters"
            found.append(f"{self.left_out} for {what}: no linear layers")
        return found

    def peft_options(self) -> dict[str, Any]:
        """Return further options of PEFT's ``LoraConfig``."""
        return {}

    def adapt(self, model: nn.Module) -> nn.Module:
        """Put adapters beside the layers of a model, in place.

        Raises:
            OptionError: a target matches nothing, or what cannot be adapted; the message lists the modules.
            MissingExtraError: PEFT is not installed.
        """
        peft = _library(self.name)
        if [*adapted_layers(model)]:
            raise OptionError(
                f"--finetune {str(self)!r}: the model has adapters already",
                hint="give the model without them.",
            )
        names = target_names(model, self.targets, str(self))
        try:
            with quiet("peft"):
                peft.inject_adapter_in_model(self._config(peft, pattern_of(names)), model)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise OptionError(
                f"--finetune {str(self)!r}: PEFT cannot adapt this model: {first_line(error)}",
                hint="name other layers by targets, or take another way.",
            ) from error
        return model

    def _config(self, peft: Any, targets: str | list[str], **more: Any) -> Any:
        with quiet("peft"):
            return peft.LoraConfig(
                r=self.r,
                lora_alpha=self.alpha,
                lora_dropout=self.dropout,
                target_modules=targets,
                **self.peft_options(),
                **more,
            )

    def fixed(self, model: nn.Module) -> list[str]:
        """All parameters but those of the adapters."""
        own = {
            id(each)
            for _, layer in adapted_layers(model)
            for name in layer.adapter_layer_names
            for each in getattr(layer, name).parameters()
        }
        return [name for name, each in model.named_parameters() if id(each) not in own]

    def merged(self, model: nn.Module) -> nn.Module:
        """Return a copy whose layers have the adapters' product added to their weights, in 64 bits and then rounded."""
        found = copy.deepcopy(model)
        for _, layer in adapted_layers(found):
            kind = layer.get_base_layer().weight.dtype
            with quiet("peft"), torch.no_grad():
                layer.double().merge()
            layer.to(kind)
        return unwrapped(found)

    def base(self, model: nn.Module) -> nn.Module:
        """Return a copy whose layers are those without adapters."""
        return unwrapped(copy.deepcopy(model))

    def adapter(
        self, model: nn.Module, base: str, renamed: Callable[[str], str] | None = None
    ) -> Mapping[str, str | bytes]:
        """Return PEFT's two files, for ``peft.PeftModel.from_pretrained(base, folder)``.

        Names of weights are those in the base: of a model of the library transformers that is inside another one, those
        inside it.
        """
        peft = _library(self.name)
        inside = _inside(model)
        layers = [(name.removeprefix(inside), layer) for name, layer in adapted_layers(model)]
        plain = self.base(model).get_submodule(inside.removesuffix("."))
        task = {"task_type": "CAUSAL_LM"} if inside or renamed else {}
        endings = meant_by_endings([name for name, _ in layers], plain)
        if renamed is not None:
            layers = [(renamed(name), layer) for name, layer in layers]
        names = [name for name, _ in layers]
        targets = sorted({name.rpartition(".")[2] for name in names}) if endings else pattern_of(names)
        weights = {
            f"{PREFIX}{name}.{_unnamed(key)}": value.detach().cpu().contiguous()
            for name, layer in layers
            for key, value in layer.state_dict().items()
            if not key.startswith("base_layer.")
        }
        config = self._config(peft, targets, base_model_name_or_path=base, inference_mode=True, **task)
        return {CONFIG: _config_text(config), WEIGHTS: safetensors.torch.save(weights, {"format": "pt"})}


def adapted_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the layers of a model that have an adapter of PEFT, with their names."""
    for name, each in model.named_modules():
        if hasattr(each, "adapter_layer_names") and hasattr(each, "base_layer"):
            yield name, each


def unwrapped(model: nn.Module) -> nn.Module:
    """Put the layers inside adapters in their place."""
    for name, layer in [*adapted_layers(model)]:
        model.set_submodule(name, layer.get_base_layer())
    for each in model.modules():
        each.__dict__.pop("peft_config", None)
    return model.requires_grad_(True)


def check_called(model: nn.Module, call: Callable[[], object], asked: str) -> None:
    """Raise an ``OptionError`` if a call of a model leaves out adapters, because it uses a layer's weights.

    Args:
        model: with adapters, or without.
        call: calls the model, as an evaluation does.
        asked: the way of fine-tuning, for the error.
    """
    called: set[str] = set()
    layers = [*adapted_layers(model)]
    with contextlib.ExitStack() as stack:
        for name, layer in layers:
            handle = layer.register_forward_hook(lambda *_, name=name: called.add(name))
            stack.callback(handle.remove)
        try:
            call()
        except Exception:  # what is wrong with the model is said where it is trained
            return
    unused = [name for name, _ in layers if name not in called]
    if unused:
        raise OptionError(
            f"--finetune {asked!r}: the model does not call {layers_text(unused)}, but uses their weights, so "
            "their adapters would do nothing",
            hint="name other layers by targets, or train them themselves: --finetune full, or 'last(2)'.",
        )


def _library(way: str) -> Any:
    try:
        with quiet("peft", "bitsandbytes", "transformers"):
            return importlib.import_module("peft")
    except ImportError as error:
        raise MissingExtraError(
            f"--finetune {way} needs the library peft, which is not installed",
            hint="pip install '.[language]', or take another way, such as --finetune 'last(2)'.",
        ) from error


def _inside(model: nn.Module) -> str:
    """Return how the names of modules begin that are inside a model of the library transformers."""
    try:
        from transformers import PreTrainedModel
    except ImportError:
        return ""
    found = [name for name, each in model.named_modules() if isinstance(each, PreTrainedModel)]
    return f"{found[0]}." if found and found[0] else ""


def _unnamed(key: str) -> str:
    """Return the name of an adapter's weight without the adapter's own name, as PEFT writes it."""
    return key.replace(f".{ADAPTER}.weight", "" if "magnitude" in key else ".weight").replace(
        f".{ADAPTER}", ""
    )


def _config_text(config: Any) -> str:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        stored = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    if isinstance(stored["target_modules"], list):  # PEFT keeps them as a set, in any order
        stored["target_modules"].sort()
    return json.dumps(stored, indent=2) + "\n"
