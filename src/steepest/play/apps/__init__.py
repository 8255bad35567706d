"""The pages, one marimo app a file; they are run by the server, never imported."""
