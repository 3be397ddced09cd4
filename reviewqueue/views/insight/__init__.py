"""Insight pages: what the labels say of a stream, read from sheets that a worker made."""
