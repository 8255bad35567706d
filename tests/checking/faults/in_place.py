"""A sigmoid whose result is overwritten, though its derivative needs it."""

# finds: overwritten in place

import torch


def checked(x):
    y = torch.sigmoid(x)
    z = y * 2
    y += 1  # here
    return (z * y).sum()
