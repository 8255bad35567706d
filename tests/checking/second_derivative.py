"""A cube whose slope is kept outside the graph: right once, wrong when it is differentiated again."""

import torch


class Checked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.slope = 3 * x.detach() ** 2
        return x**3

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.slope
