"""A sweep: planned whole, then run, then told."""
