"""A product whose gradient forgets that d(w x)/dw is x."""

# finds: missing factor

import torch


class Checked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w, x):
        ctx.save_for_backward(w, x)
        return w * x

    @staticmethod
    def backward(ctx, grad):
        w, _ = ctx.saved_tensors
        return grad, grad * w
