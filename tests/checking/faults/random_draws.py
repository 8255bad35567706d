"""Noise from a generator that goes on from call to call."""

# finds: random

import torch

generator = torch.Generator().manual_seed(0)


def checked(x):
    return (x + 0.1 * torch.randn(x.shape, generator=generator, dtype=x.dtype)).square().mean()
