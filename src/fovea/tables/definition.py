"""What a table shows: ``experiments/NAME/table.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from fovea.config.errors import ConfigError, did_you_mean
from fovea.config.files import read_yaml
from fovea.records.quantities import Better, Format
from fovea.tables.fields import MetricName, TablePart, Texts
from fovea.tables.references import Reference


class Column(TablePart):
    """One measured quantity.

    Args:
        metric: a metric expression; see :mod:`fovea.tables.expressions`.
        label: its heading.
        format: ``percent`` shows a share, ``count`` a whole number.
        digits: decimal places; ``None`` is what suits the format.
        better: which way is better; ``None``, and rows are neither ranked nor compared.
        interval: show the 95 % interval of the mean.
        difference: show the difference to the baseline, of a column that says which way is better.
        ratio: show the ratio to the baseline.
    """

    metric: MetricName
    label: str
    format: Format = "number"
    digits: Annotated[int, Field(ge=0, le=12)] | None = None
    better: Better | None = None
    interval: bool = False
    difference: bool = True
    ratio: bool = False


class RowKeys(TablePart):
    """What tells one row from another.

    Args:
        key: ``arm``, a config group or a dotted config key, or several; ``None`` is all that
            differs between cells.
        label: what each key is called; ``None`` is the key itself.
        labels: what a value is called.
    """

    key: Texts | None = None
    label: Texts | None = None
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_label_a_key(self) -> RowKeys:
        if self.label is not None and len(self.label) != len(self.key or ("cell",)):
            raise ValueError("label: one for each key")
        return self


class Pivot(TablePart):
    """A key, each value of which has columns of its own: model × data.

    Args:
        key: as of :class:`RowKeys`.
        labels: what a value is called.
    """

    key: str
    labels: dict[str, str] = Field(default_factory=dict)


class Choose(TablePart):
    """A key that is tuned for each row: of the cells that differ in it, the best is shown.

    Args:
        key: as of :class:`RowKeys`.
        by: the metric expression that decides, by its mean over the seeds all of them have.
        better: which way it is better.
        label: heading of the column with the value chosen.
    """

    key: str
    by: MetricName
    better: Better
    label: str | None = None


class Footnote(TablePart):
    """A text marked at a row, at a column, or where both meet; a text alone is a note below."""

    text: str
    row: Texts | None = None
    column: MetricName | None = None

    @model_validator(mode="before")
    @classmethod
    def _text_alone(cls, given: object) -> object:
        return {"text": given} if isinstance(given, str) else given


class TableDefinition(TablePart):
    """A table's title, rows and columns; without columns, the watched metric's goes before these.

    Args:
        seeds: the seeds shown; ``None`` is all that are planned.
        baseline: the row others are compared with, in columns that say which way is better.
        pair: a config key (``seed``, ``data.split_seed``): runs of two rows that have the same
            value of it are compared in pairs. ``None``: all runs are independent (Welch).
    """

    title: str = ""
    rows: RowKeys = RowKeys()
    pivot: Pivot | None = None
    choose: Choose | None = None
    columns: list[Column] = Field(
        default=[
            Column(metric="parameters", label="parameters", format="count"),
            Column(metric="macs", label="MACs", format="count"),
            Column(metric="seconds", label="seconds", format="seconds"),
        ],
        min_length=1,
    )
    seeds: list[int] | None = None
    baseline: Texts | None = None
    pair: str | None = None
    references: list[Reference] = Field(default_factory=list)
    footnotes: list[Footnote] = Field(default_factory=list)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that tells cells apart."""
        own = (part.key for part in (self.pivot, self.choose) if part is not None)
        return (*(self.rows.key or ()), *own)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric expression it uses, each once."""
        chosen_by = [self.choose.by] if self.choose else []
        return tuple(dict.fromkeys([*(each.metric for each in self.columns), *chosen_by]))

    @model_validator(mode="after")
    def _columns_exist(self) -> TableDefinition:
        known = [column.metric for column in self.columns]
        if "columns" not in self.model_fields_set:  # those of metrics follow from the references
            known += [each.column for each in self.references if "/" in each.column]
            known = list(dict.fromkeys(known))
        if repeated := next((each for each in known if known.count(each) > 1), None):
            raise ValueError(f"columns: '{repeated}' occurs twice")
        named = [("references", index, each) for index, each in enumerate(self.references)]
        named += [("footnotes", index, each) for index, each in enumerate(self.footnotes)]
        for part, index, each in named:
            if each.column is not None and each.column not in known:
                near = did_you_mean(each.column, known)
                raise ValueError(f"{part}.{index}.column: no column '{each.column}'{near}")
        ratios = {column.metric for column in self.columns if column.ratio}
        directed = {column.metric for column in self.columns if column.better}
        if ratios and self.baseline is None:
            raise ValueError("columns: a ratio needs a baseline")
        for index, each in enumerate(self.references):
            if each.ratio and each.column not in ratios:
                raise ValueError(f"references.{index}.ratio: '{each.column}' shows no ratio")
            if (each.bound or each.aggregate == "best") and not (
                each.ratio or each.column in directed
            ):
                key = "bound" if each.bound else "aggregate"
                raise ValueError(f"references.{index}.{key}: '{each.column}' needs a better")
            if each.pivot is not None and self.pivot is None:
                raise ValueError(f"references.{index}.pivot: the table has none")
        return self


def load_definition(file: Path) -> TableDefinition:
    """Read a table's definition; the default one where there is no file.

    Raises:
        ConfigError: the file is not valid.
    """
    if not file.exists():
        return TableDefinition()
    try:
        return TableDefinition.model_validate(read_yaml(file))
    except ValidationError as error:
        raise ConfigError(f"{file}: {_told(error)}") from error


def _told(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    own = problem.get("ctx", {}).get("error")
    reason = str(own) if own else problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{where}: {reason}" if where else reason
