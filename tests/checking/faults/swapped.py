"""A quotient whose two gradients are in each other's place."""

# finds: swapped

import torch


class Checked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a / b

    @staticmethod
    def backward(ctx, grad):
        a, b = ctx.saved_tensors
        return -grad * a / b**2, grad / b
