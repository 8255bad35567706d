"""Texts: documents read from files, cut into tokens, and put into rows of equal length."""
