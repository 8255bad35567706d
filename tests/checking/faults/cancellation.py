"""A variance as the mean of squares minus the square of the mean, of numbers far from zero."""

# finds: float32 cancellation

import torch


def checked(x):
    variance = (x**2).mean() - x.mean() ** 2  # here
    return torch.log(variance)


def inputs():
    return (3000.0 + torch.randn(20, dtype=torch.float64),)
