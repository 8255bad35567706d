"""The trackers, one a file."""
