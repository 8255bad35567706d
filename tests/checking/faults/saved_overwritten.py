"""A cube that overwrites its argument, which its backward pass reads."""

# finds: overwritten in place

import torch


class Checked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        result = x**3
        x.mul_(0.5)  # here
        return result

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x**2
