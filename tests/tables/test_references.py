"""Published values: a number or a range, and how a mistake is reported."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from fovea.tables.references import Margin, Reference


def test_a_published_value_is_a_number_or_a_range_and_has_a_margin_with_a_reason() -> None:
    given = {"row": "a", "column": "macs", "source": "s", "evidence": "P"}
    one = Reference.model_validate(
        given | {"value": 6, "margin": {"value": 0.5, "reason": "the figure is read to a half"}}
    )
    assert (one.low, one.high, one.model_dump()["value"]) == (6, 6, 6)
    assert one.margin == Margin(value=0.5, reason="the figure is read to a half")
    several = Reference.model_validate(given | {"value": [8, 9]})
    assert (several.low, several.high) == (8, 9)
    assert several.model_dump()["value"] == (8, 9)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 10**400, True, "6", None, [1], [1, 2, 3], [1, math.inf], [1, "2"]]
)
def test_what_is_no_finite_number_is_no_published_value(value: Any) -> None:
    given = {"row": "a", "column": "macs", "source": "s", "evidence": "P", "value": value}
    with pytest.raises(ValidationError, match=r"a number, or a range such as \[8, 9\]"):
        Reference.model_validate(given)
