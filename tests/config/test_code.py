"""What of a module's text is in its digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from fovea.config.code import _read

MODULE = '''"""Says what it does."""

from torch import nn
import fovea.problems.classification.losses


def twice(x):
    """Double."""
    return 2 * x  # as it says
'''


def digest(folder: Path, text: str) -> str:
    file = folder / f"{abs(hash(text))}.py"
    file.write_text(text)
    return _read(file)[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Says what it does.", "Says it otherwise."),
        ('    """Double."""\n', ""),
        ("  # as it says", ""),
        ("2 * x", "2*x"),
        ("\n\n\n", "\n\n"),
    ],
)
def test_words_and_layout_are_not_in_it(tmp_path: Path, before: str, after: str) -> None:
    assert before in MODULE
    assert digest(tmp_path, MODULE.replace(before, after)) == digest(tmp_path, MODULE)


@pytest.mark.parametrize(("before", "after"), [("2 * x", "3 * x"), ("losses", "metrics")])
def test_what_is_executed_is(tmp_path: Path, before: str, after: str) -> None:
    assert digest(tmp_path, MODULE.replace(before, after)) != digest(tmp_path, MODULE)


def test_imports_are_found(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(MODULE)
    assert set(_read(file)[1]) == {"torch", "torch.nn", "fovea.problems.classification.losses"}
