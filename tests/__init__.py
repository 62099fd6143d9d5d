"""Sentences about behaviour; the tree mirrors the source."""
