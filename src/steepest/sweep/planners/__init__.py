"""The planners, one a file."""
