"""The pages, one a file: its text and numbers in Python, beside it the script that draws it."""
