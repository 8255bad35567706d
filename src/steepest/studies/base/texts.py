"""Texts of studies, and the small trained networks that studies of fine-tuning begin with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from steepest.components.prefixes.hf import find
from steepest.data.catalog import data_folders, open_catalog
from steepest.data.dataset import InputField, Shape
from steepest.data.texts.blocks import blocks_of
from steepest.data.texts.tokenizer import Bytes
from steepest.errors import DataError
from steepest.files import write_with_folder
from steepest.models.transformer import Transformer
from steepest.rng import stream, torch_stream
from steepest.studies.base.data import StudyData, place_of

STORIES, SMALL = "stories260k", "small"
"""The networks: one trained on children's stories, which the user has, and one that is trained where it is needed."""
SIZES: Mapping[str, Any] = {"width": 32, "layers": 2, "heads": 2}
"""Of the small network, which reads bytes."""
STEPS, ROWS, BLOCK, RATE = 400, 16, 64, 3e-3
"""How the small network is trained: by AdamW, with a rate that falls to 0 as a cosine."""
WORDS = 60
PARTS = ("validation", "test")


def kept_text(
    name: str, source: str, text: str, parts: Mapping[str, str], options: Mapping[str, Any]
) -> StudyData:
    """Write texts to the cache, unless they are there, and return them as the data of a study.

    Args:
        name: of the files, to which the digest of the texts is added.
        source: the data set of the catalog that they are of, or who drew them.
        text: what they are; the number of characters is added.
        parts: the training, validation and test text.
        options: how they are read, as for :func:`steepest.compare`; ``tokenizer`` may be a file, which is copied, or
            the folder of a model.

    Example:
        >>> made = kept_text("ab", "made here", "a and b", dict.fromkeys(("train", "validation", "test"), "a b "), {})
        >>> made.text, made.options["reader"], made.options["test"]
        ('a and b: 4 characters to learn from, 4 test characters', 'text', 'ab-0ce8062d4d83.test.txt')
    """
    digest = hashlib.sha256("\0".join(parts[each] for each in ("train", *PARTS)).encode()).hexdigest()[:12]
    files = {each: place_of(f"{name}-{digest}.{each}.txt") for each in ("train", *PARTS)}
    for each, path in files.items():
        if not path.is_file():
            write_with_folder(path, parts[each].encode())
    given = {"reader": "text", "metric": "token_loss", "baseline": "unigram", **options}
    given |= {
        **{each: files[each].name for each in PARTS},
        "also": files["test"].name,
    }  # before training, too
    if (tokenizer := given.get("tokenizer")) and Path(tokenizer).is_file():
        content = Path(tokenizer).read_bytes()
        copied = place_of(f"{hashlib.sha256(content).hexdigest()[:12]}-{Path(tokenizer).name}")
        if not copied.is_file():
            write_with_folder(copied, content)
        given["tokenizer"] = copied.name
    what = f"{text}: {len(parts['train']):,} characters to learn from, {len(parts['test']):,} test characters"
    return StudyData(files["train"], source, digest, what, 1, given)


def wikitext(characters: int, test: int) -> dict[str, str]:
    """Return the first characters of WikiText's training text, and of its validation and test texts.

    Args:
        characters: of the training text; cut behind a line.
        test: of the test text, and twice as many as of the validation text.

    Raises:
        DataError: WikiText is not on this machine and cannot be downloaded.
    """
    train, validation, new = (
        path.read_text(encoding="utf-8", errors="replace") for path in open_catalog("wikitext", "text").paths
    )
    return {
        "train": _lines(train, characters),
        "validation": _lines(validation, test // 2),
        "test": _lines(new, test),
    }


def shakespeare(characters: int, test: int) -> dict[str, str]:
    """Return the first characters of Shakespeare's plays, and the last ones for validation and test.

    Raises:
        DataError: they are not on this machine and cannot be downloaded.
    """
    text = open_catalog("shakespeare", "text").path.read_text(encoding="utf-8")
    rest = len(text) - test - test // 2
    return {
        "train": _lines(text[:rest], characters),
        "validation": text[rest : rest + test // 2],
        "test": text[-test:],
    }


def _lines(text: str, most: int) -> str:
    """Return the lines at the beginning of a text, with at most so many characters, at least one line."""
    return text if len(text) <= most else text[: max(text.rfind("\n", 0, most), text.find("\n")) + 1]


def made_up(characters: int, test: int, register: int = 1) -> dict[str, str]:
    """Return a training, a validation and a test text of made-up words: in every register others are frequent.

    Example:
        >>> some = made_up(60, 40)
        >>> [*some], some["train"] == made_up(60, 40)["train"]
        (['train', 'validation', 'test'], True)
    """
    draw = stream(0, "data")
    syllables = [a + b for a in "bdfklmnrst" for b in "aeiou"]
    words = ["".join(draw.choice(syllables, draw.integers(1, 4))) for _ in range(WORDS)]
    draw = stream(0, "data", register)
    frequent = draw.permutation(WORDS)
    share = 1 / (1 + np.arange(WORDS))
    following = np.stack([draw.permutation(share) for _ in range(WORDS)]) * share[np.argsort(frequent)]
    following /= following.sum(1, keepdims=True)

    def text(wanted: int) -> str:
        at, lines, size = 0, list[str](), 0
        while size < wanted:
            line: list[str] = []
            for _ in range(int(draw.integers(3, 12))):
                at = int(draw.choice(WORDS, p=following[at]))
                line.append(words[at])
            lines.append(" ".join(line).capitalize() + ".")
            size += len(lines[-1]) + 1
        return "\n".join(lines) + "\n"

    return {"train": text(characters), "validation": text(test // 2), "test": text(test)}


def stories_folder() -> Path:
    """Return the folder of stories260k: ``stories260K.bin`` and ``tok512.bin`` of llama2.c.

    Raises:
        DataError: it is not on this machine.
    """
    for base in data_folders():
        if (base / STORIES / "tok512.bin").is_file():
            return base / STORIES
    raise DataError(
        f"the network {STORIES} is not on this machine",
        hint=f"put stories260K.bin and tok512.bin of karpathy/tinyllamas into {STORIES} in the folder that "
        "STEEPEST_DATA names; or give --quick, which trains a network of its own.",
    )


def pretrained(shape: Shape, base: str = SMALL) -> nn.Module:
    """Return a trained network for a text.

    Args:
        shape: of the text, cut by the network's tokenizer.
        base: :data:`SMALL`, :data:`STORIES` or the folder of a causal language model of Hugging Face.

    Raises:
        DataError: it is not on this machine.
        ModelError: the folder has no such model.
    """
    if base == STORIES:
        return Transformer(shape, start=(stories_folder() / "stories260K.bin").as_posix())
    if base != SMALL:
        return find(base)(shape)
    told = repr([SIZES, STEPS, ROWS, BLOCK, RATE, WORDS, torch.__version__])
    path = place_of(f"small-{hashlib.sha256(told.encode()).hexdigest()[:12]}.safetensors")
    if not path.is_file():
        write_with_folder(path, safetensors.torch.save(dict(trained_small().state_dict())))
    net = Transformer(shape, **SIZES)
    net.load_state_dict(safetensors.torch.load(path.read_bytes()))
    return net


def trained_small(steps: int = STEPS) -> Transformer:
    """Return the small network, trained on made-up words of a register that no study fine-tunes on."""
    cut = Bytes()
    rows = blocks_of([cut.encode(made_up(200_000, 100, register=0)["train"])], cut.boundary, BLOCK, "packed")
    part = rows.part(1.0)
    with torch_stream(0, "init"):
        net = Transformer(
            Shape("language", {}, (), cut.size, (InputField("tokens", "tokens", (BLOCK,)),)), **SIZES
        )
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    draw = stream(0, "order")
    for _ in range(steps):
        some = torch.from_numpy(draw.choice(len(part), ROWS, replace=False))
        logits = net(part.inputs[0][some])
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), part.target[some].flatten(), ignore_index=-100
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()
