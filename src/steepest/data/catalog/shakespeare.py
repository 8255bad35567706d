"""Tiny Shakespeare: plays as one text."""

from __future__ import annotations

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "shakespeare": {
        "object": "SHAKESPEARE",
        "what": "1,115,394 letters of Shakespeare's plays",
        "groups": ["text"],
    }
}

SHAKESPEARE = DatasetSource(
    name="shakespeare",
    title="1,115,394 letters of Shakespeare's plays, 40,000 lines, 65 different letters",
    kind="text",
    files=(
        DataFile(
            name="input.txt",
            folder="tiny-shakespeare",
            sha256=("86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",),
            bytes=1_115_394,
            urls=(
                "https://raw.githubusercontent.com/karpathy/char-rnn/"
                "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
            ),
        ),
    ),
    page="https://github.com/karpathy/char-rnn",
    licence="public domain",
    citation="W. Shakespeare; collected by A. Karpathy (2015), char-rnn.",
)
