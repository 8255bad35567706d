"""Random numbers: one stream for each purpose, never the global one.

A stream is a pure function of (seed, purpose, index): how often one purpose draws changes no other, so
evaluating more often, or resuming in the middle, changes no trajectory. Seeds are mixed by SplitMix64
(Steele, Lea & Flood, 2014), which costs a microsecond and so can be done afresh at every step.
"""

from __future__ import annotations

import contextlib
import random
import zlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from steepest.errors import OptionError

if TYPE_CHECKING:
    import torch

Purpose = Literal[
    "split",
    "train-rows",
    "init",
    "order",
    "dropout",
    "augmentation",
    "label-noise",
    "regularizer",
    "evaluation",
    "bootstrap",
    "baseline",
    "data",
    "tuning",
    "map",
    "prune",
    "watching",
    "landscape",
    "path",
    "spectrum",
    "generation",
]

_MASK = (1 << 64) - 1


def _mix(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


_SALTS = {purpose: zlib.crc32(purpose.encode()) for purpose in get_args(Purpose)}


def seed_for(seed: int, purpose: Purpose, *index: int) -> int:
    """Return the 63-bit seed of the stream for ``purpose``; ``index`` is an epoch, a step or a trial.

    Raises:
        OptionError: the purpose is not one of the known ones.

    Example:
        >>> seed_for(0, "order", 3) == seed_for(0, "order", 3) != seed_for(0, "order", 4)
        True
    """
    if purpose not in _SALTS:
        raise OptionError(f"unknown random purpose {purpose!r}", hint=f"one of {', '.join(_SALTS)}.")
    state = _mix(_mix(seed & _MASK) ^ _SALTS[purpose])
    for each in index:
        state = _mix(state ^ (each & _MASK))
    return state >> 1


def stream(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """Return a NumPy generator for ``purpose``.

    Example:
        >>> bool((stream(0, "order", 1).permutation(5) == stream(0, "order", 1).permutation(5)).all())
        True
    """
    return np.random.Generator(np.random.PCG64(seed_for(seed, purpose, *index)))


@contextlib.contextmanager
def torch_stream(seed: int, purpose: Purpose, *index: int) -> Generator[torch.Generator]:
    """Make torch's own draws inside the block come from this stream, and leave the caller's state untouched.

    Plain modules such as ``nn.Dropout`` or ``nn.Linear``'s initialisation draw from torch's default
    generators; this is how they become a function of (seed, purpose, index) and nothing else.
    """
    import torch

    value = seed_for(seed, purpose, *index)
    cpu = torch.default_generator
    before = cpu.get_state()
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    before_cuda = torch.cuda.get_rng_state() if cuda else None
    try:
        cpu.manual_seed(value)
        if cuda:
            torch.cuda.manual_seed(value)
        yield cpu
    finally:
        cpu.set_state(before)
        if before_cuda is not None:
            torch.cuda.set_rng_state(before_cuda)


@contextlib.contextmanager
def preserved(devices: Sequence[int] = ()) -> Generator[None]:
    """Leave the global generators of torch, NumPy and Python as they are before the block, whatever draws in it.

    Args:
        devices: numbers of the CUDA devices whose generators are meant, too.
    """
    import torch

    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
