"""Plans of experiments whose code is gone; ``tests/test_new_problem.py`` does the rest."""

from __future__ import annotations

import pytest

from fovea.sweep.gone import split_overrides

STOP = "trainer.stop={metric: train/accuracy, value: 0.75}"


@pytest.mark.parametrize(
    "overrides", [[], ["model=mlp"], ["model=mlp", STOP, "+data.a=[1, 2]", "optimizer.lr=1e-3"]]
)
def test_overrides_are_split_as_they_were_joined(overrides: list[str]) -> None:
    assert split_overrides(" ".join(overrides)) == overrides
