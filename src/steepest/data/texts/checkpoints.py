"""Checkpoints of causal transformers, a Llama in safetensors or a file of llama2.c; nothing in them is run."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from steepest.components.identity.weights import GGUF, PICKLES, a_file, check_no_adapter, is_saved
from steepest.errors import ModelError


@dataclass(frozen=True)
class TransformerSizes:
    """What a transformer is made of.

    Attributes:
        pieces: of the vocabulary.
        width: of the vectors.
        layers, heads, kv_heads: how many.
        hidden: width of hidden layers.
        eps: of norms.
        base: of the wavelengths of rotary positions.
        tied: whether the head has the weights of the embedding.
        most: tokens of a row in training; 0 where that is not known.
    """

    pieces: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    eps: float
    base: float
    tied: bool = True
    most: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint with its weights by the names of :class:`steepest.models.transformer.Transformer`."""

    sizes: TransformerSizes
    weights: Mapping[str, Tensor]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the checkpoint in a folder or file.

    Raises:
        ModelError: there is none, it is of another kind of model, damaged, or a pickle, which could run code.
    """
    if not path.exists():
        raise ModelError(
            f"there is no model at {str(path)!r}",
            hint="name a model's folder, or a checkpoint of llama2.c: start=PATH.",
        )
    check_start(path)
    if path.is_file():
        return _llama2c(path)
    return _llama(path) if (path / "config.json").is_file() else _llama2c(_of_llama2c(path)[0])


def check_start(path: Path) -> None:
    """Refuse a file or folder that is there and holds no model to begin with, before it is looked at more closely.

    Raises:
        ModelError: there is none in it, or an adapter of one.
    """
    if path.suffix in (GGUF, ".safetensors", ".json") and path.is_file():
        raise a_file(str(path))
    if not path.is_dir() or is_saved(path):
        return
    check_no_adapter(path)
    if (path / "config.json").is_file() or _of_llama2c(path):
        return
    inside = path / "model"
    raise ModelError(
        f"the folder {str(path)!r} has no model: neither config.json nor a checkpoint of llama2.c",
        hint=f"name the network in it: start={inside.as_posix()}."
        if is_saved(inside)
        else "name the folder with config.json and model.safetensors, or of a network that steepest has saved.",
    )


def _of_llama2c(folder: Path) -> list[Path]:
    """Return the checkpoints of llama2.c in a folder."""
    return [each for each in sorted(folder.glob("*.bin")) if not each.name.startswith("tok")]


NAMES = {
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "out": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
    "norm": "input_layernorm",
    "hidden_norm": "post_attention_layernorm",
}
"""The names of a block's layers here and in Hugging Face's Llama."""


def llama_name(name: str) -> str:
    """Return the name in Hugging Face's Llama of a module of our own transformer.

    Example:
        >>> llama_name("blocks.0.query"), llama_name("head")
        ('model.layers.0.self_attn.q_proj', 'lm_head')
    """
    if name == "head":
        return "lm_head"
    _, layer, mine = name.split(".")
    return f"model.layers.{layer}.{NAMES[mine]}"


def _llama(folder: Path) -> Checkpoint:
    """Read a folder of Hugging Face's Llama."""
    try:
        config: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"it holds a {type(config).__name__}, not an object with fields")
        kind = config.get("model_type")
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(folder / "config.json", error) from None
    if kind != "llama" or config.get("attention_bias") or config.get("mlp_bias"):
        raise ModelError(
            f"the model in {str(folder)!r} is of the type {kind!r}, which is no plain Llama",
            hint="take a model with the model_type llama and without biases.",
        )
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ModelError(
            f"the model in {str(folder)!r} has rotary positions of the type {rope.get('rope_type')!r}",
            hint="take a model with plain rotary positions.",
        )
    path = folder / "model.safetensors"
    if not path.is_file():
        other = [each.name for each in sorted(folder.iterdir()) if each.suffix in PICKLES]
        if other:
            raise ModelError(
                f"the weights in {str(folder)!r} are a pickle, {other[0]}, which could run code",
                hint="convert it to model.safetensors where you trust it; nothing here opens it.",
            )
        if [*folder.glob("*.safetensors.index.json")]:
            raise ModelError(
                f"the weights in {str(folder)!r} are in several files, and start reads model.safetensors alone",
                hint=f"open it by its library: --model hf:{folder.as_posix()}.",
            )
        raise ModelError(
            f"the folder {str(folder)!r} has no weights (model.safetensors)",
            hint="fetch the model again, in whole.",
        )
    try:
        arrays = safetensors.torch.load(path.read_bytes())
        heads = int(config["num_attention_heads"])
        sizes = TransformerSizes(
            pieces=int(config["vocab_size"]),
            width=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            hidden=int(config["intermediate_size"]),
            eps=float(config.get("rms_norm_eps", 1e-6)),
            base=float(rope.get("rope_theta", config.get("rope_theta", 10_000.0))),
            tied=bool(config.get("tie_word_embeddings", False)),
            most=int(config.get("max_position_embeddings", 0)),
        )
        weights = {
            "embedding.weight": arrays["model.embed_tokens.weight"],
            "norm.weight": arrays["model.norm.weight"],
        }
        if not sizes.tied:
            weights["head.weight"] = arrays["lm_head.weight"]
        for layer in range(sizes.layers):
            for mine, theirs in NAMES.items():
                weights[f"blocks.{layer}.{mine}.weight"] = arrays[f"model.layers.{layer}.{theirs}.weight"]
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise _damaged(path, error) from None
    return _checked(Checkpoint(sizes, weights), path)


def _llama2c(path: Path) -> Checkpoint:
    """Read a file of llama2.c's version 0: seven int32, then float32 weights.

    Its rotary positions turn neighbouring numbers, here those in two halves of a head: rows of queries and keys are
    put in that order, which changes no output.
    """
    content = path.read_bytes()
    if content[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04"):
        raise ModelError(
            f"{str(path)!r} is a pickle, which could run code",
            hint="convert it to model.safetensors where you trust it; nothing here opens it.",
        )
    try:
        width, hidden, layers, heads, kv_heads, pieces, most = struct.unpack_from("<7i", content)
        sizes = TransformerSizes(
            abs(pieces), width, layers, heads, kv_heads, hidden, 1e-5, 10_000.0, tied=pieces > 0, most=most
        )
        numbers = torch.from_numpy(np.frombuffer(content, dtype="<f4", offset=28).astype(np.float32))
        head, kept = width // heads, width // heads * kv_heads
        plan = [
            ("norm", (width,)), ("query", (width, width)), ("key", (kept, width)), ("value", (kept, width)),
            ("out", (width, width)), ("hidden_norm", (width,)), ("gate", (hidden, width)), ("down", (width, hidden)),
            ("up", (hidden, width)),
        ]  # fmt: skip
        at = 0

        def taken(*size: int) -> Tensor:
            nonlocal at
            count = int(np.prod(size))
            found = numbers[at : at + count].reshape(size)
            at += count
            return found

        weights = {"embedding.weight": taken(sizes.pieces, width)}
        for name, size in plan:
            for layer, each in enumerate(taken(layers, *size)):
                turned = name in ("query", "key")
                weights[f"blocks.{layer}.{name}.weight"] = _halves(each, head) if turned else each
        weights["norm.weight"] = taken(width)
        at += 2 * most * (head // 2)  # cosines and sines
        if not sizes.tied:
            weights["head.weight"] = taken(sizes.pieces, width)
        if at != len(numbers):
            raise ValueError(f"{len(numbers):,} numbers instead of {at:,}")
    except (ValueError, RuntimeError, ZeroDivisionError, struct.error) as error:
        raise ModelError(
            f"{str(path)!r} is no checkpoint of llama2.c: {error}",
            hint="name a checkpoint of its version 0, or a folder with config.json and model.safetensors.",
        ) from None
    return _checked(Checkpoint(sizes, weights), path)


def _halves(weight: Tensor, head: int) -> Tensor:
    """Return rows ``[H D, width]`` with the even rows of each head before its odd ones."""
    rows = weight.reshape(-1, head // 2, 2, weight.shape[1])
    return rows.transpose(1, 2).reshape(weight.shape)


def _checked(found: Checkpoint, path: Path) -> Checkpoint:
    for name, each in found.weights.items():
        if not bool(each.isfinite().all()):
            raise _damaged(path, ValueError(f"{name} holds numbers that are not finite"))
    return found


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"cannot read {str(path)!r}: {str(error) or type(error).__name__}",
        hint="fetch the model's folder again.",
    )
