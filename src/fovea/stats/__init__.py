"""Statistics: estimates, intervals, tests, power. Pure: no torch, nothing of fovea."""
