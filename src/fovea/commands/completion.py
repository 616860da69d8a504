"""``fovea completion``: the shell code that turns on TAB completion."""

from __future__ import annotations

import argcomplete


def run(shell: str) -> None:
    """Print the code for a shell to evaluate."""
    print(argcomplete.shellcode(["fovea"], shell=shell))
