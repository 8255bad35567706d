"""One schedule or combinator of schedules a file."""
