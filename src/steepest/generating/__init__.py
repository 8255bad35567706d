"""Texts that a language model writes: the next token is drawn, put behind the text, and so on."""

TOKENS = 100
"""How many tokens are drawn at most."""

TEMPERATURE = 0.8
"""By which logits are divided before a token is drawn."""

TOP_K = 40
"""From how many of the most probable tokens one is drawn."""
