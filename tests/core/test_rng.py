"""Streams are pure functions of seed, purpose and index, differ from one another, and leave torch's state alone."""

from __future__ import annotations

import itertools

import pytest
import torch

from steepest.errors import OptionError
from steepest.rng import seed_for, stream, torch_stream


def test_streams_differ_and_repeat() -> None:
    cases = list(itertools.product((0, 1, 2**63), ("order", "dropout"), ((), (0,), (1,), (0, 1), (1, 0))))
    seeds = [seed_for(seed, purpose, *index) for seed, purpose, index in cases]
    assert len(set(seeds)) == len(cases)
    assert seeds == [seed_for(seed, purpose, *index) for seed, purpose, index in cases]
    assert all(0 <= each < 2**63 for each in seeds)


def test_bits_are_balanced() -> None:
    bits = [bin(seed_for(0, "dropout", step)).count("1") for step in range(2000)]
    assert sum(bits) / len(bits) == pytest.approx(31.5, abs=0.5)
    assert stream(0, "order").permutation(100).tolist() != list(range(100))


def test_torch_state_is_untouched() -> None:
    before = torch.default_generator.get_state()
    with torch_stream(3, "init"):
        first = torch.rand(4)
    with pytest.raises(ZeroDivisionError), torch_stream(3, "init"):
        _ = 1 / 0
    with torch_stream(3, "init"):
        assert torch.equal(first, torch.rand(4))
    assert torch.equal(before, torch.default_generator.get_state())


def test_unknown_purpose() -> None:
    with pytest.raises(OptionError, match="unknown random purpose 'lunch'"):
        seed_for(0, "lunch")  # pyright: ignore
