"""Networks that are made smaller after training or see fewer inputs: their bytes, time and accuracy."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from steepest.data.dataset import Part, Shape
from steepest.models.layers import hidden_layers
from steepest.train.callback import Callback, View
from steepest.train.masks import prunable
from steepest.train.smaller import milliseconds_of, written_sizes
from steepest.train.weights import once

RIGHT, SIZE, PACKED, MILLISECONDS = "right", "bytes", "bytes compressed", "milliseconds"
"""Accuracy on the test rows; bytes of the file, and of the compressed file; the median time of 1,000 predictions."""
ROWS = 1000
"""Rows that are predicted at once where the time is taken."""
BITS = 8
LARGEST = 2 ** (BITS - 1) - 1


@dataclass(frozen=True)
class Smaller:
    """A network that was made smaller.

    Attributes:
        net: what predicts.
        stored: the tensors of its file, which may be in another form.
    """

    net: nn.Module
    stored: Mapping[str, Tensor]

    @classmethod
    def of(cls, net: nn.Module) -> Smaller:
        """Return a network that is stored as it is."""
        return cls(net, once(net.state_dict()))


@torch.no_grad()
def quantised(net: nn.Module, *, by_channel: bool) -> Smaller:
    r"""Return a network whose layers' weights are stored in 8 bits, with a scale for each layer or each of its rows.

    .. math:: \hat w_{ui} = s_u \,\mathrm{round}(w_{ui} / s_u), \qquad s_u = \max_i |w_{ui}| / 127

    Biases stay in 32 bits, and weights are widened when the network is loaded, so that it predicts as fast as before.

    Args:
        net: the network, which stays as it is.
        by_channel: a scale for each row of a weight, that is for each neuron; else one for the whole weight.

    Source: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
    CVPR 2018; symmetric, of weights alone.

    Example:
        >>> made = quantised(nn.Linear(4, 2), by_channel=True)
        >>> made.stored["weight"].dtype, made.stored["weight.scale"].shape
        (torch.int8, torch.Size([2]))
    """
    made = copy.deepcopy(net)
    stored = dict(once(net.state_dict()))
    for name in prunable(net):
        weight = made.get_parameter(name)
        rows = weight.flatten(1)
        largest = rows.abs().amax(1) if by_channel else rows.abs().amax()
        scale = (largest / LARGEST).clamp_min(torch.finfo(weight.dtype).tiny)
        scale = scale.reshape(-1, *[1] * (weight.dim() - 1)) if by_channel else scale
        whole = (weight / scale).round().clamp(-LARGEST, LARGEST)
        stored |= {name: whole.to(torch.int8), f"{name}.scale": scale.flatten()}
        weight.copy_(whole * scale)
    return Smaller(made, stored)


@torch.no_grad()
def low_rank(net: nn.Module, share: float) -> Smaller:
    r"""Return a network whose linear layers are the best products of two smaller ones, by the singular values.

    .. math:: W \approx U_r \Sigma_r^{1/2} \cdot \Sigma_r^{1/2} V_r^\top

    Layers have the same share of their full rank. The last one stays whole, as its rank is that of the outputs, and so
    does any of which two would be no smaller.

    Args:
        net: the network, which stays as it is.
        share: of its numbers that there may be; with fewer than rank 1 needs, it has rank 1.

    Source: Eckart & Young, Psychometrika 1936; Denton et al., Exploiting Linear Structure, NIPS 2014.

    Example:
        >>> made = low_rank(nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 2)), 0.5)
        >>> [tuple(each.shape) for each in made.stored.values()]
        [(24, 100), (100, 24), (100,), (2, 100), (2,)]
    """
    linear = {name: each for name, each in net.named_modules() if isinstance(each, nn.Linear)}
    layers = dict([*linear.items()][:-1])
    full = {name: min(each.weight.shape) for name, each in layers.items()}
    rest = _count(net) - sum(each.weight.numel() for each in layers.values())

    def weights(name: str, rank: int) -> int:
        rows, columns = layers[name].weight.shape
        return min(rank * (rows + columns), rows * columns)

    def ranks(part: int) -> dict[str, int]:
        return {name: max(1, part * most // 1000) for name, most in full.items()}

    fit = [
        part
        for part in range(1001)
        if rest + sum(weights(*each) for each in ranks(part).items()) <= share * _count(net)
    ]
    made = copy.deepcopy(net)
    for name, rank in ranks(max(fit, default=0)).items():
        layer = layers[name]
        rows, columns = layer.weight.shape
        if rank * (rows + columns) < rows * columns:
            u, s, v = torch.linalg.svd(layer.weight, full_matrices=False)
            root = s[:rank].sqrt()
            first = nn.Linear(columns, rank, bias=False)
            bias = layer._parameters["bias"]  # pyright: ignore[reportPrivateUsage] typed as if there always were one
            second = nn.Linear(rank, rows, bias=bias is not None)
            first.weight.copy_(root[:, None] * v[:rank])
            second.weight.copy_(u[:, :rank] * root)
            if bias is not None:
                second.bias.copy_(bias)
            made.set_submodule(name, nn.Sequential(first, second))
    return Smaller.of(made)


def _count(net: nn.Module) -> int:
    return sum(each.numel() for each in net.state_dict().values())


class OnComponents(nn.Module):
    r"""Hidden layers on the first principal components of the inputs, each with standard deviation 1.

    .. math:: h_0 = \Sigma_k^{-1} V_k^\top (x - \bar x)

    The components are those of the first batch in training, before which they are 0: train on whole batches. They are
    stored with the weights, since nothing is predicted without them.

    Args:
        shape: of the dataset.
        components: how many; no more than there are inputs.
        hidden, activation: as of ``mlp``.

    Example:
        >>> from steepest.data.dataset import InputField
        >>> net = OnComponents(Shape("regression", {}, (), 1, (InputField("x", "values", (5,)),)), components=2)
        >>> x = torch.randn(50, 5, generator=torch.Generator().manual_seed(0))
        >>> _ = net.train()(x)
        >>> scores = nn.functional.linear(x, net.directions, net.offset)
        >>> torch.allclose(torch.cov(scores.T), torch.eye(2), atol=1e-4)
        True
    """

    directions: Tensor
    offset: Tensor
    fitted: Tensor

    def __init__(
        self,
        shape: Shape,
        *,
        components: int = 16,
        hidden: Sequence[int] = (32,),
        activation: str = "leaky-relu",
    ) -> None:
        super().__init__()
        width = math.prod(shape.fields[-1].size)
        self.register_buffer("directions", torch.zeros(components, width))
        self.register_buffer("offset", torch.zeros(components))
        self.register_buffer("fitted", torch.tensor(False))
        layers = hidden_layers(components, hidden, activation, "none", 0.0)
        self.layers = nn.Sequential(*layers, nn.Linear((components, *hidden)[-1], shape.outputs))

    def forward(self, values: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for inputs ``[B, …]``."""
        x = values.flatten(1)
        if self.training and not self.fitted:
            self._fit(x.detach())
        return self.layers(nn.functional.linear(x, self.directions, self.offset))

    @torch.no_grad()
    def _fit(self, x: Tensor) -> None:
        mean = x.mean(0)
        _, s, v = torch.linalg.svd(x - mean, full_matrices=False)
        k = min(len(self.directions), int((s > 1e-5 * s[0]).sum()))  # of others there is nothing to see
        self.directions[:k] = v[:k] * (math.sqrt(len(x) - 1) / s[:k, None])
        self.offset.copy_(-self.directions @ mean)
        self.fitted.fill_(True)


class Compressed(Callback):
    """Logs at the end of each final run its accuracy on the test rows, bytes and time, and those of what is made of it.

    Args:
        of: the arm whose networks are made smaller after training.
        parts: by singular values, each to one of so many parts of its numbers.
    """

    only_watches = True

    def __init__(self, of: str, parts: Sequence[int]) -> None:
        self.of, self.parts = of, tuple(parts)

    def at_end(self, view: View) -> None:
        """Log the numbers."""
        if view.key.phase != "final":
            return
        net, rows = view.model(), view.test_rows()
        _log(view, "", Smaller.of(net), rows)
        if view.key.name == self.of:
            for name, made in self._made(net):
                _log(view, name, made, rows)

    def _made(self, net: nn.Module) -> Iterator[tuple[str, Smaller]]:
        for by_channel, name in INT8.items():
            yield name, quantised(net, by_channel=by_channel)
        for part in self.parts:
            yield low_rank_name(part), low_rank(net, 1 / part)


INT8 = {False: "int8 by layer", True: "int8 by neuron"}
"""What networks in 8 bits are called, by whether each neuron has a scale."""


def low_rank_name(part: int) -> str:
    """Return the name of the networks of lower rank that have one of so many parts of the numbers.

    Example:
        >>> low_rank_name(4)
        '1/4: low rank'
    """
    return f"1/{part}: low rank"


def logged_name(made: str, what: str) -> str:
    """Return the name under which a number is logged of what is made of a run; of the run itself where that is empty.

    Example:
        >>> logged_name("", RIGHT), logged_name("int8", SIZE)
        ('right', 'int8: bytes')
    """
    return f"{made}: {what}" if made else what


@torch.no_grad()
def _log(view: View, made: str, smaller: Smaller, rows: Part) -> None:
    found = smaller.net(*rows.inputs).argmax(-1)
    size, packed = written_sizes(smaller.stored)
    values = {
        RIGHT: float((found == rows.target).double().mean()),
        SIZE: float(size),
        PACKED: float(packed),
        MILLISECONDS: milliseconds_of(smaller.net, _repeated(rows)),
    }
    for what, value in values.items():
        view.log(logged_name(made, what), value)


def _repeated(rows: Part) -> list[Tensor]:
    """Return the inputs of :data:`ROWS` rows, the same again where there are fewer."""
    places = torch.arange(ROWS) % len(rows)
    return [each[places] for each in rows.inputs]
