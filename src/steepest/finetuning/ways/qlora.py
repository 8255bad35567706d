"""Low-rank adapters beside linear layers in 4 bits."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from steepest.errors import OptionError
from steepest.finetuning.adapters import ADAPTER, LowRank, adapted_layers, unwrapped
from steepest.finetuning.quantised import bytes_of_base, dequantised, quantise_layers, quantised_layers
from steepest.finetuning.targets import ALL_LINEAR, layers_text, target_names
from steepest.wording import memory_text

COMPONENTS = {
    "qlora": {
        "object": "Qlora",
        "what": "low-rank adapters of a base in 4 bits (QLoRA)",
        "libraries": ["peft", "bitsandbytes"],
    }
}


class Qlora(LowRank):
    r"""Train low-rank adapters beside layers whose own weights have 4 bits each, which stay.

    .. math:: W x \;\to\; Q(W)\, x + \frac{\alpha}{r} B A x

    ``Q`` puts the weights of all linear layers but the output layer, also of those without an adapter, in NormalFloat4:
    the nearest of 16 quantiles of a normal distribution, scaled by the largest of each block of 64 weights; scales have
    8 bits themselves (double quantisation). A weight takes 4.127 bits. The run begins with the outputs of this
    quantised base, which are not those of the base. Layers, ranks, scale and library as for ``lora``; the library
    bitsandbytes computes with the weights (``pip install '.[language]'``), on CPUs and CUDA devices. Layers with an odd
    number of inputs, those of GPT-2 (``Conv1D``), stacked experts of mixtures, embeddings, norms and biases keep 32
    bits.

    Source: Dettmers, Pagnoni, Holtzman & Zettlemoyer, QLoRA: Efficient Finetuning of Quantized LLMs, NeurIPS 2023; its
    products are those of bfloat16 (``compute=bf16``).
    """

    name = "qlora"
    left_out = "neither 4 bits nor an adapter"
    by_name = ("dropout", "targets", "compute")
    bibtex = """
@inproceedings{dettmers2023qlora,
  author = {Dettmers, Tim and Pagnoni, Artidoro and Holtzman, Ari and Zettlemoyer, Luke},
  title = {{QLoRA}: Efficient Finetuning of Quantized {LLM}s},
  booktitle = {Advances in Neural Information Processing Systems},
  year = {2023},
}
"""

    opened_with = (
        "from transformers import BitsAndBytesConfig",
        "bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True)",
        "quantization_config=bits",
    )

    compute: Literal["float32", "bf16"] = Field(
        default="float32",
        description="numbers in which inputs are multiplied by the dequantised weights: float32 or bf16",
    )

    def adapt(self, model: nn.Module) -> nn.Module:
        """Quantise the layers of a model, in place, and put adapters beside those that are targets.

        Raises:
            OptionError: a target matches nothing, or what cannot be adapted, or no layer can be quantised.
            MissingExtraError: PEFT or bitsandbytes is not installed.
        """
        target_names(
            model, self.targets, str(self)
        )  # what is wrong with them is said before anything is changed
        names = target_names(model, ALL_LINEAR, str(self))
        plain = [name for name in names if isinstance(model.get_submodule(name), nn.Linear)]
        quantise_layers(model, plain, self.compute)
        if not [*quantised_layers(model)]:
            raise OptionError(
                f"--finetune {str(self)!r}: no layer of the model can be put in 4 bits: "
                f"{'; '.join(_wide_reasons(model, names))}",
                hint="train adapters of the model as it is: --finetune lora.",
            )
        known: dict[str, Any] = vars(model)
        known["is_loaded_in_4bit"] = True  # what PEFT asks for, to use its own layers for such a base
        try:
            return super().adapt(model)
        finally:
            del known["is_loaded_in_4bit"]

    @property
    def base_as(self) -> tuple[str, str]:
        """The base is quantised, whatever the adapters are."""
        told = "" if self.compute == "float32" else f", {self.compute}"
        return str(type(self).model_validate({"r": 1, "compute": self.compute})), f"in NF4{told}"

    @property
    def said(self) -> str:
        """The base, and the scale, which is held."""
        return f"base in NF4, computed in {self.compute}; {super().said}"

    def said_of(self, model: nn.Module) -> str:
        """Return what the base takes, with what is said of any."""
        own, wide = bytes_of_base(model)
        said = f"{self.said}; base of {memory_text(own)} instead of {memory_text(wide)} in 32 bits"
        wide_layers = [
            name
            for name, each in adapted_layers(model)
            if not getattr(each.get_base_layer(), "in_4_bits", False)
        ]
        reasons = _wide_reasons(model, wide_layers) if self.targets == ALL_LINEAR else []
        return "; ".join([said, *reasons, *self.remarks(model)])

    def merged(self, model: nn.Module) -> nn.Module:
        """Return a copy in 32 bits: dequantised weights with the adapters' product added."""
        found = _wide(model)
        for _, layer in adapted_layers(found):
            base = layer.get_base_layer()
            with torch.no_grad():
                base.weight += layer.double().get_delta_weight(ADAPTER)
            layer.float()
        return unwrapped(found)

    def base(self, model: nn.Module) -> nn.Module:
        """Return a copy of the quantised base in 32 bits, whose weights are the dequantised ones."""
        return unwrapped(_wide(model))


def _wide_reasons(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Return why layers of a model keep 32 bits, once for each reason."""
    found: dict[str, list[str]] = {}
    for name in names:
        layer: Any = model.get_submodule(name)
        layer = layer.get_base_layer() if hasattr(layer, "get_base_layer") else layer
        odd = "have an odd number of inputs"
        why = odd if isinstance(layer, nn.Linear) else f"are {type(layer).__name__}, and no torch.nn.Linear"
        found.setdefault(why, []).append(name)
    return [f"{layers_text(some)} {why}" for why, some in found.items()]


def _wide(model: nn.Module) -> nn.Module:
    """Return a copy with layers of 32 bits in the place of quantised ones."""
    found = copy.deepcopy(model)
    for name, layer in [*quantised_layers(found)]:
        found.set_submodule(name, dequantised(layer))
    return found
