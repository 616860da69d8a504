"""A problem of its own: a number that is to be read off a series."""
