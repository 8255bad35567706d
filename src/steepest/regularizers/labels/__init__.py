"""Regularizers that change the targets of a batch, some of them with its inputs."""
