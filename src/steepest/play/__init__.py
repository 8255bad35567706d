"""Live pages: choose, watch and judge in the browser what the library does; the pages themselves are marimo's."""

PAGES = ("compare", "landscape")
"""The pages, each an app of its name in ``apps``."""
