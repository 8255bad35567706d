"""A loss that doubles where its mean error passes a bound: it jumps."""

# finds: not differentiable


def checked(outputs, target):
    error = (outputs - target).abs()
    loss = error.mean()
    if error.max() > 2.5:  # here
        loss = 2 * loss
    return loss
