"""The procedures, one a file."""
