"""Runs beside each other: in one HTML file to look at, or two of them against each other."""
