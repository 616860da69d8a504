"""Configs: where they lie, what they may hold, and what they build; knows no torch."""

from fovea.config.trust import find_named_packages

find_named_packages()
