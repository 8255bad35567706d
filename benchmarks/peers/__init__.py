"""Peers of the training step, each a small program in a virtual environment of its own, and what drives them."""
