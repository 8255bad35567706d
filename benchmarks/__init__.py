"""Measured claims, each one command, its peer in the same run."""
