"""A square root with torch.where: the branch that is not taken spoils the gradient."""

# finds: not a number

import torch


def checked(x):
    return torch.where(x > 0, torch.sqrt(x), torch.zeros_like(x)).sum()


def inputs():
    return (torch.tensor([1.5, 0.7, -0.5, 2.0], dtype=torch.float64),)
