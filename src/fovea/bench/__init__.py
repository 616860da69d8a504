"""fovea held against other ways to write the same training."""
