"""The small problems, one a file."""
