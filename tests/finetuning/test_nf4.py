"""NormalFloat4: its values, the bits of bitsandbytes on the CPU, and the bytes that it takes."""

from __future__ import annotations

import importlib
import logging
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

from steepest.errors import ModelError
from steepest.finetuning.nf4 import (
    BLOCK,
    SCALE_BLOCK,
    DoubledScales,
    bits_a_weight,
    dequantise,
    dynamic_values,
    quantile_values,
    quantise,
    values,
)

SHAPES = [(64, 64), (576, 256), (33,), (7, 9), (3, 5, 7), (128, 65), (1,)]


@pytest.fixture(scope="module")
def library() -> Any:
    pytest.importorskip("bitsandbytes", reason="pip install .[language]")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    return importlib.import_module("bitsandbytes")


def weights(shape: tuple[int, ...], kind: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return (0.1 * torch.randn(shape, generator=draw)).to(kind)


def test_the_values_are_quantiles_of_a_normal_distribution() -> None:
    """The published ones were computed in float32."""
    torch.testing.assert_close(values().double(), quantile_values(), rtol=0, atol=3e-7)
    inner = torch.distributions.Normal(0.0, 1.0).cdf(quantile_values() * 1.8481308)
    assert torch.allclose(inner[:8].diff(), inner[:8].diff().mean(), atol=1e-6)  # as much between any two
    assert torch.allclose(inner[7:].diff(), inner[7:].diff().mean(), atol=1e-6)


def test_the_tables_are_those_of_bitsandbytes(library: Any) -> None:
    assert torch.equal(values(), library.functional.get_4bit_type("nf4", device="cpu"))
    assert torch.equal(dynamic_values(), library.functional.create_dynamic_map())


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", SHAPES)
def test_codes_and_weights_have_the_bits_of_bitsandbytes(
    library: Any, shape: tuple[int, ...], kind: torch.dtype
) -> None:
    """The first of two weights is in the upper half of a byte, and the last of an odd number has a zero behind it."""
    given = weights(shape, kind)
    packed, state = library.functional.quantize_4bit(given, quant_type="nf4")
    found = quantise(given, double=False)
    assert torch.equal(found.codes, packed.reshape(-1))
    assert torch.equal(found.scales if isinstance(found.scales, Tensor) else found.codes, state.absmax)
    with torch.compiler.set_stance("force_eager"):  # of odd sizes it compiles a program
        assert torch.equal(dequantise(found, kind), library.functional.dequantize_4bit(packed, state))


@pytest.mark.parametrize("shape", SHAPES)
def test_scales_in_8_bits_are_those_of_bitsandbytes_up_to_ties(library: Any, shape: tuple[int, ...]) -> None:
    """On the CPU it looks codes up in a table of 65,536 places: another code is one that is nearly as near."""
    given = weights(shape)
    packed, state = library.functional.quantize_4bit(given, quant_type="nf4", compress_statistics=True)
    found = quantise(given)
    scales = found.scales
    assert isinstance(scales, DoubledScales)
    assert torch.equal(found.codes, packed.reshape(-1))
    assert torch.equal(scales.mean, state.offset)
    assert torch.equal(scales.scales, state.state2.absmax)
    exact = quantise(given, double=False).scales
    assert isinstance(exact, Tensor)
    theirs = library.functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
    spread = scales.scales.repeat_interleave(SCALE_BLOCK)[: len(exact)]
    worse = (theirs - exact).abs() - (scales.wide() - exact).abs()
    assert bool((worse <= spread * 2 / 65_535 + 1e-8).all())
    assert bool((worse >= -spread * 2 / 65_535 - 1e-8).all())
    same = (scales.codes == state.absmax) | (spread == 0)
    assert float((~same).float().mean()) < 0.01
    assert torch.equal(scales.wide()[same], theirs[same])


@settings(max_examples=60, deadline=None)
@given(
    some.integers(1, 700), some.sampled_from([1e-30, 1e-6, 1.0, 1e6]), some.booleans(), some.integers(0, 99)
)
def test_no_weight_is_further_off_than_half_the_widest_gap(
    count: int, size: float, double: bool, seed: int
) -> None:
    """Also of the last block, which is not full; scales in 8 bits add what they are off."""
    given = size * weights((count,), seed=seed)
    given[: count // 3] = 0  # whole blocks of zeros, where there are enough
    found = quantise(given, double=double)
    back = dequantise(found)
    assert back.shape == given.shape
    assert bool((back[: count // 3] == 0).all())
    exact = quantise(given, double=False).scales
    assert isinstance(exact, Tensor)
    used = found.scales.wide() if isinstance(found.scales, DoubledScales) else exact
    half = float(values().diff().max()) / 2
    allowed = (half * exact + (used - exact).abs()).repeat_interleave(BLOCK)[:count]
    assert bool(((back - given).abs() <= allowed * (1 + 1e-5)).all())


def test_what_is_quantised_stays_as_it_is() -> None:
    once = dequantise(quantise(weights((48, 40)), double=False))
    assert torch.equal(dequantise(quantise(once, double=False)), once)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(wrong: float) -> None:
    given = weights((70,))
    given[3] = wrong
    with pytest.raises(ModelError, match="1 of 70 weights are not finite"):
        quantise(given)
    with pytest.raises(ModelError, match="no weights"):
        quantise(given[:0])


@pytest.mark.parametrize("double", [False, True])
def test_bytes_of_a_layer_are_those_of_the_formula(library: Any, double: bool) -> None:
    """Each layer of bitsandbytes adds its tables of 16 and 256 values, and both add the mean of the scales."""
    given = weights((512, 256))
    wanted = given.numel() * bits_a_weight(double=double) / 8
    found = quantise(given, double=double)
    assert found.nbytes == wanted + (4 if double else 0)
    layer = library.nn.Params4bit(given, compress_statistics=double, quant_type="nf4").to("cpu")
    state = layer.quant_state
    held = [layer.data, state.absmax, state.code]
    if double:
        held += [state.offset, state.state2.absmax, state.state2.code]
    assert sum(each.nbytes for each in held) == wanted + 16 * 4 + (4 + 256 * 4 if double else 0)
