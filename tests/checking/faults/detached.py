"""A loss that is divided by a standard deviation which is cut off from the graph."""

# finds: detached


def checked(outputs, target):
    error = outputs - target
    scale = error.detach().std()  # here
    return (error / scale).square().mean()
