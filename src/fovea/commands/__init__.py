"""The commands, one module each: a ``run`` function that returns an exit code or nothing."""
