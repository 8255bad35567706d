"""A causal transformer for texts, as Llama is: pre-norm, rotary positions, gated layers, tied head."""

from __future__ import annotations

import math
from pathlib import Path

import safetensors
import torch
from torch import Tensor, nn
from torch.nn import functional

from steepest.components import grammar
from steepest.components.grammar import Spec
from steepest.components.identity.weights import SAVED_WEIGHTS, is_saved, saved_as
from steepest.data.dataset import InputField, Shape
from steepest.data.texts.checkpoints import Checkpoint, TransformerSizes, read_checkpoint
from steepest.errors import ModelError, first_line
from steepest.finetuning import finetuned, merged, structural_text
from steepest.finetuning.frozen import unpacked
from steepest.rng import torch_stream

COMPONENTS = {
    "transformer": {
        "object": "Transformer",
        "what": "a causal transformer, for texts",
        "takes": ["tokens"],
        "tokenizer": "start",
    }
}

SD = 0.02
"""Of the first weights, as of GPT-2."""

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values of every layer, ``[B, heads, S, D]`` each, of the S tokens before."""


class RMSNorm(nn.Module):
    r"""A vector divided by the root of its mean square, times a weight: :math:`x / \sqrt{\overline{x^2} + \epsilon}
    \odot g`."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised vectors."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


class TransformerBlock(nn.Module):
    """Attention and a gated hidden layer, each behind a norm and added to what it is of."""

    def __init__(self, sizes: TransformerSizes, dropout: float) -> None:
        super().__init__()
        width, kept = sizes.width, sizes.width // sizes.heads * sizes.kv_heads
        self.heads, self.kv_heads = sizes.heads, sizes.kv_heads
        self.norm, self.hidden_norm = RMSNorm(width, sizes.eps), RMSNorm(width, sizes.eps)
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, kept, bias=False)
        self.value, self.out = nn.Linear(width, kept, bias=False), nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, sizes.hidden, bias=False)
        self.up = nn.Linear(width, sizes.hidden, bias=False)
        self.down = nn.Linear(sizes.hidden, width, bias=False)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], before: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the vectors ``[B, T, width]`` behind this block, and its keys and values of all tokens so far."""
        mixed, kept = self._attention(self.norm(x), turns, before)
        x = x + self.dropout(mixed)
        h = self.hidden_norm(x)
        return x + self.dropout(self.down(functional.silu(self.gate(h)) * self.up(h))), kept

    def _attention(
        self, x: Tensor, turns: tuple[Tensor, Tensor], before: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        rows, length, width = x.shape
        query = _turned(self.query(x).view(rows, length, self.heads, -1).transpose(1, 2), turns)
        key = _turned(self.key(x).view(rows, length, self.kv_heads, -1).transpose(1, 2), turns)
        value = self.value(x).view(rows, length, self.kv_heads, -1).transpose(1, 2)
        if before is not None:
            key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
        kept = key, value
        if self.kv_heads != self.heads:
            times = self.heads // self.kv_heads
            key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        place = torch.arange(key.shape[2], device=x.device)
        ahead = place > place[key.shape[2] - length :, None]
        shares = torch.softmax(scores.masked_fill(ahead, -math.inf), -1)
        return self.out((shares @ value).transpose(1, 2).reshape(rows, length, width)), kept


class Transformer(nn.Module):
    r"""Blocks of causal attention and a gated hidden layer on vectors of tokens; the logits are products with those
    vectors.

    .. math:: h \leftarrow h + A(\operatorname{norm}(h)), \qquad
              h \leftarrow h + W_d\,(\operatorname{silu}(W_g \hat h) \odot W_u \hat h),\ \hat h = \operatorname{norm}(h)

    Queries and keys are turned by angles in proportion to their place, so that a score depends on the distance of two
    tokens. Weights are drawn from a normal distribution with standard deviation 0.02, of layers that add to the
    vectors by :math:`\sqrt{2 L}` smaller.

    Args:
        shape: the dataset's shape, of a text.
        width: of the vectors; a multiple of twice the heads.
        layers: L, the blocks.
        heads: of attention.
        kv_heads: heads of keys and values, which several heads of queries share; 0 for as many.
        hidden: width of the hidden layers; 0 for 8/3 of the width, rounded up to a multiple of 4.
        dropout: share of what a block adds that a training step leaves out.
        eps: what norms add to a mean square.
        base: of the wavelengths of rotary positions.
        tied: whether the logits are products with the vectors of tokens; else with vectors of their own.
        start: what the model begins with, sizes and weights: the folder of a transformer that steepest has saved, such
            as ``RUN/model``, whose adapters are merged; or a model's folder (``config.json`` and ``model.safetensors``
            of a Llama, or a checkpoint of llama2.c) or file. Other sizes must then be left out.

    Attributes:
        self_contained: the specification of the same network without the files that it started from.
        head_parameters: the names of the parameters that the logits are products with.

    Raises:
        ModelError: sizes do not fit each other, or the start does not fit the text's tokenizer.

    Example:
        >>> from steepest.data.dataset import InputField
        >>> text = Shape("language", {}, (), 50, (InputField("tokens", "tokens", (16,)),))
        >>> Transformer(text, width=16, layers=2, heads=2)(torch.zeros(3, 16, dtype=torch.long)).shape
        torch.Size([3, 16, 50])

    Source: Vaswani et al., Attention is all you need, 2017; Touvron et al., LLaMA, 2023, for norms, gates and turns.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        width: int = 64,
        layers: int = 4,
        heads: int = 4,
        kv_heads: int = 0,
        hidden: int = 0,
        dropout: float = 0.0,
        eps: float = 1e-5,
        base: float = 10_000.0,
        tied: bool = True,
        start: str = "",
    ) -> None:
        super().__init__()
        hidden = hidden or -(-8 * width // 3 // 4) * 4
        sizes = TransformerSizes(
            shape.outputs, width, layers, heads, kv_heads or heads, hidden, eps, base, tied
        )
        loaded = _started(Path(start).expanduser()) if start else None
        if loaded is not None:
            sizes = loaded.sizes
            if sizes.pieces != shape.outputs:
                raise ModelError(
                    f"the model in {start!r} has a vocabulary of {sizes.pieces:,} pieces, the text's "
                    f"tokenizer {shape.outputs:,}",
                    hint=f"cut the text by the model's own tokenizer: --tokenizer {start}.",
                )
        _check(sizes, dropout)
        self.sizes = sizes
        self.embedding = nn.Embedding(sizes.pieces, sizes.width)
        self.blocks = nn.ModuleList(TransformerBlock(sizes, dropout) for _ in range(sizes.layers))
        self.norm = RMSNorm(sizes.width, sizes.eps)
        self.head = None if sizes.tied else nn.Linear(sizes.width, sizes.pieces, bias=False)
        self.head_parameters = ("embedding.weight",) if sizes.tied else ("head.weight",)
        self.self_contained = _written(sizes, dropout)
        self._draw()
        if loaded is not None:
            self._load(loaded, start)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits ``[B, T, V]`` for tokens ``[B, T]``, each of the token behind it."""
        return self.continued(tokens, None)[0]

    def continued(self, tokens: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        """Return logits of tokens that follow those of a cache, and the cache of all of them.

        Args:
            tokens: int64 ``[B, T]``.
            cache: of the S tokens before, as this returns it; None at the start.
        """
        x = self.embedding(tokens)
        first = 0 if cache is None else cache[0][0].shape[2]
        turns = self._turns(first, tokens.shape[1], x)
        kept: Cache = []
        for at, block in enumerate(self.blocks):
            x, own = block(x, turns, None if cache is None else cache[at])
            kept.append(own)
        x = self.norm(x)
        return (functional.linear(x, self.embedding.weight) if self.head is None else self.head(x)), kept

    def _turns(self, first: int, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosines and sines ``[T, D/2]`` of the angles of places."""
        half = self.sizes.width // self.sizes.heads // 2
        place = torch.arange(first, first + length, device=like.device, dtype=torch.float64)
        pair = torch.arange(half, device=like.device, dtype=torch.float64)
        angles = place[:, None] * self.sizes.base ** (-pair / half)
        return angles.cos().to(like.dtype), angles.sin().to(like.dtype)

    def _draw(self) -> None:
        smaller = SD / math.sqrt(2 * self.sizes.layers)
        for name, each in self.named_parameters():
            if each.dim() == 2:
                nn.init.normal_(each, std=smaller if name.endswith(("out.weight", "down.weight")) else SD)

    def _load(self, found: Checkpoint, start: str) -> None:
        own = self.state_dict()
        for name, value in found.weights.items():
            if value.shape != own[name].shape:
                raise ModelError(
                    f"the weights in {start!r} do not belong to its config.json: {name} is {list(value.shape)} "
                    f"instead of {list(own[name].shape)}",
                    hint="fetch the model's folder again, in whole.",
                )
        self.load_state_dict({name: value.to(torch.float32) for name, value in found.weights.items()})


def _started(path: Path) -> Checkpoint:
    """Read what a transformer begins with."""
    return _saved(path) if is_saved(path) else read_checkpoint(path)


def _saved(folder: Path) -> Checkpoint:
    """Read a transformer that steepest has saved, with what adapters add in its own layers.

    Raises:
        ModelError: it is no transformer, or its files are damaged.
    """
    text, way, pieces, length = saved_as(folder)
    spec = grammar.parse(text)
    if spec.name != "transformer":
        raise ModelError(
            f"the network in {folder.as_posix()!r} is {text}, and start reads a transformer",
            hint="name a network that was trained by --model transformer, or the folder of a Llama.",
        )
    rows = InputField("tokens", "tokens", (length,))
    way = structural_text(way)
    with torch_stream(0, "init"):
        made = Transformer(Shape("language", {}, (), pieces, (rows,)), **spec.options)
    net = finetuned(made, way)
    root = folder.parent.parent if folder.parent.name == "arms" else folder.parent
    try:
        weights, _ = unpacked(root, (folder / SAVED_WEIGHTS).read_bytes())
        net.load_state_dict(weights)
    except (OSError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise ModelError(
            f"the weights in {folder.as_posix()!r} cannot be read: {first_line(error)}",
            hint="make the network again: steepest resume goes on with its comparison.",
        ) from None
    return Checkpoint(made.sizes, merged(net, way).state_dict())


def _turned(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Return pairs of halves of vectors ``[B, H, T, D]`` turned by the angles of their places."""
    cosine, sine = turns
    one, two = x.chunk(2, -1)
    return torch.cat([one * cosine - two * sine, two * cosine + one * sine], -1)


def _check(sizes: TransformerSizes, dropout: float) -> None:
    if min(sizes.width, sizes.layers, sizes.heads, sizes.kv_heads, sizes.hidden) < 1:
        raise ModelError(
            f"a transformer of width {sizes.width} with {sizes.layers} layers and {sizes.heads} heads",
            hint="give at least one of each.",
        )
    if sizes.width % (2 * sizes.heads):
        raise ModelError(
            f"the width {sizes.width} is no multiple of twice the {sizes.heads} heads",
            hint=f"give a width of {-(-sizes.width // (2 * sizes.heads)) * 2 * sizes.heads}, or other heads.",
        )
    if sizes.heads % sizes.kv_heads:
        raise ModelError(
            f"{sizes.heads} heads cannot share {sizes.kv_heads} heads of keys and values evenly",
            hint="give kv_heads that divide heads.",
        )
    if not 0 <= dropout < 1:
        raise ModelError(f"a dropout of {dropout:g}", hint="give a share from 0 to below 1.")


def _written(sizes: TransformerSizes, dropout: float) -> str:
    options = {
        "width": sizes.width,
        "layers": sizes.layers,
        "heads": sizes.heads,
        "kv_heads": sizes.kv_heads,
        "hidden": sizes.hidden,
        "dropout": dropout,
        "eps": sizes.eps,
        "base": sizes.base,
        "tied": sizes.tied,
    }
    return str(Spec("transformer", options=options))
