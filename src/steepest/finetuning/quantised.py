"""Linear layers of a model in NormalFloat4, by the library bitsandbytes, on the CPU and on CUDA devices.

Layers are quantised on the CPU, so that every device gets the same codes. A layer's own forward pass has the weights
in 4 bits and computes in the numbers that it is given; what is dequantised lives as long as the product.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from steepest.components.quiet import quiet
from steepest.errors import MissingExtraError, ModelError
from steepest.finetuning.nf4 import DoubledScales, Quantised, dequantise

Compute = Literal["float32", "bf16"]
"""Numbers in which the product with dequantised weights is computed."""
KINDS: Mapping[str, torch.dtype] = {"float32": torch.float32, "bf16": torch.bfloat16}


def quantise_layers(model: nn.Module, names: Sequence[str], compute: Compute) -> None:
    """Put layers in 4 bits, with doubly quantised scales, in the place of linear layers.

    Args:
        model: in 32 bits on the CPU; altered in place.
        names: of its layers. Those with an odd number of inputs stay as they are: half a byte would be left over.
        compute: numbers of the products.

    Raises:
        ModelError: some weights are not finite.
        MissingExtraError: the library is not installed.
    """
    kind = _layer_kind()
    for name in names:
        layer: Any = model.get_submodule(name)
        if not layer.in_features % 2:
            model.set_submodule(name, kind.of(layer, name, KINDS[compute]))


def quantised_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the layers of a model in 4 bits, with their names."""
    for name, each in model.named_modules():
        if getattr(each, "in_4_bits", False):
            yield name, each


def dequantised(layer: Any) -> nn.Linear:
    """Return a linear layer in 32 bits with the weights that a quantised one stands for."""
    found = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
    with torch.no_grad():
        found.weight.copy_(_weights(layer))
        if layer.bias is not None:
            found.bias.copy_(layer.bias)
    return found


def numbers_in(parameter: Tensor) -> int:
    """Return how many numbers a parameter stands for; in 4 bits a byte holds two.

    Example:
        >>> numbers_in(torch.zeros(3, 5))
        15
    """
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else int(state.shape.numel())


def bytes_of_base(model: nn.Module) -> tuple[int, int]:
    """Return the bytes that the parameters of a model take that are not trained, and those of them in 32 bits.

    Of quantised layers the scales count, too, and their tables of 16 and 256 values, which each layer has.

    Example:
        >>> bytes_of_base(nn.Linear(3, 5).requires_grad_(False))
        (80, 80)
    """
    held = [each for each in model.parameters() if not each.requires_grad]
    own = sum(each.nbytes for each in held)
    for _, layer in quantised_layers(model):
        state = layer.weight.quant_state
        own += sum(each.nbytes for each in (*_parts(layer).values(), state.code, state.state2.code))
    return own, sum(4 * numbers_in(each) for each in held)


def _weights(layer: Any) -> Tensor:
    """Return the dequantised weights of a layer, float32."""
    state = layer.weight.quant_state
    scales = DoubledScales(state.absmax, state.state2.absmax, state.offset)
    codes = layer.weight.detach().as_subclass(Tensor).reshape(-1)
    return dequantise(Quantised(codes, scales, state.shape))


def _parts(layer: Any) -> dict[str, Tensor]:
    """Return the tensors of a quantised layer's scales by their names in a state dict."""
    state = layer.weight.quant_state
    return {"absmax": state.absmax, "nested_absmax": state.state2.absmax, "nested_offset": state.offset}


class _Product(torch.autograd.Function):
    """Products with a layer's weights, which are dequantised once more for the gradient instead of being kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Any) -> Tensor:
        ctx.layer = layer
        return nn.functional.linear(x, layer.dequantised())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] @ ctx.layer.dequantised(), None


@functools.cache
def _layer_kind() -> Any:
    """Return the class of layers."""
    library = bitsandbytes()

    class LinearInFourBits(library.nn.Linear4bit):
        """A linear layer in NormalFloat4 whose state dict has all of it, and which has one forward pass only.

        The library's own layer has two faults on CPUs with AVX-512 (bitsandbytes 0.50): rows of 32, 48, 80, … weights,
        which are whole vectors and not whole blocks, are dequantised with the scales of others, unless all weights are
        one row; and once it is evaluated, it computes in bfloat16 from then on, whatever numbers were asked for.

        Attributes:
            numbers: of the products.
        """

        in_4_bits = True
        numbers: torch.dtype

        @classmethod
        def of(cls, layer: nn.Linear, name: str, compute: torch.dtype) -> Any:
            if not bool(layer.weight.isfinite().all()):
                raise ModelError(
                    f"the weights of {name!r} are not finite, so they cannot be quantised",
                    hint="begin with a model whose training did not diverge.",
                )
            bias: Any = layer.bias
            found = cls(layer.in_features, layer.out_features, bias is not None, quant_type="nf4")
            found.numbers = compute
            found.weight = library.nn.Params4bit(
                layer.weight.detach().float(), requires_grad=False, quant_type="nf4", module=found
            ).to("cpu")
            if bias is not None:
                found.bias = nn.Parameter(bias.detach().float(), requires_grad=False)
            return found.train(layer.training)

        def forward(self, x: Tensor) -> Tensor:
            """Return ``x W + b`` in the numbers of ``x``."""
            given = x.to(self.numbers)
            if x.is_cuda:
                product = library.matmul_4bit(given, self.weight, quant_state=self.weight.quant_state)
            else:
                product = _Product.apply(given, self)
            product = product.to(x.dtype)
            bias: Any = self.bias
            return product if bias is None else product + bias

        def dequantised(self) -> Tensor:
            """Return the weights in the numbers of the products."""
            state = copy.copy(self.weight.quant_state)
            shape, state.shape, state.dtype = state.shape, torch.Size([state.shape.numel()]), self.numbers
            return library.functional.dequantize_4bit(self.weight.detach(), state).reshape(shape)

        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            named: dict[str, Tensor] = {f"weight.{name}": each for name, each in _parts(self).items()}
            for name, own in {**dict(self.named_parameters()), **named}.items():
                destination[prefix + name] = own if keep_vars else own.detach().as_subclass(Tensor)

        def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
            strict, missing, _, errors = args[1:5]
            for name, own in _parts(self).items():
                key = f"{prefix}weight.{name}"
                given = state_dict.pop(key, None)
                if given is None:
                    missing += [key] if strict else []
                elif given.shape != own.shape:
                    errors.append(f"{key} has the shape {tuple(given.shape)} instead of {tuple(own.shape)}")
                else:
                    own.copy_(given)
            super()._load_from_state_dict(state_dict, prefix, *args)

    return LinearInFourBits


def bitsandbytes() -> Any:
    """Return the library, imported without a request: it would fetch a kernel of its own where another one is there.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with quiet("bitsandbytes"), _hidden("kernels"):
            return importlib.import_module("bitsandbytes")
    except ImportError as error:
        raise MissingExtraError(
            "layers in 4 bits need the library bitsandbytes, which is not installed",
            hint="pip install '.[language]', or train adapters of the model as it is: --finetune lora.",
        ) from error


@contextlib.contextmanager
def _hidden(name: str) -> Generator[None]:
    """Let a library seem not to be installed inside the block, unless it is imported already."""
    modules: dict[str, Any] = sys.modules
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        modules.pop(name, None)
