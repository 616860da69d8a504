"""Where curves go, and what is recorded of a machine."""
