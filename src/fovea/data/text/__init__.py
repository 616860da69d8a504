"""Labelled texts: split, made numbers of, and served in batches."""
