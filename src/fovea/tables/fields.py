"""What every part of ``table.yaml`` is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from fovea.tables.expressions import parse_metric


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str | int | float) else value


MetricName = Annotated[str, AfterValidator(lambda text: str(parse_metric(text)))]
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class TablePart(BaseModel):
    """A mapping of known keys, which does not change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, str_max_length=5000
    )
