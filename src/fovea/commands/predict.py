"""``fovea predict``: what a trained network says of new samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from fovea.config import paths
from fovea.config.console import console
from fovea.config.errors import DataError
from fovea.config.printing import csv_text, say
from fovea.records import find_run, write_atomic
from fovea.records.deleting import require_own


def run(
    run: str,
    given: Sequence[str],
    texts: Sequence[str],
    weights: str | None,
    top: int,
    out: Path | None,
) -> None:
    """Print what a network says of each sample; write CSV, JSON, a contact sheet, files of each.

    Args:
        given: files and folders, as the run's data reads them.
        texts: samples themselves, where they are texts.
        top: alternatives that are listed of each sample.

    Raises:
        FoveaError: the run or its weights are not there, or a sample cannot be read.
    """
    if not given and not texts:
        raise DataError("predict: no samples; name files, or give a --text")
    record = find_run(paths.outputs(), run)
    if out is None:
        require_own(record.path)
    from fovea.problems.figures import contact_sheet
    from fovea.training.predict import predict

    predicted = predict(record, given, texts, weights=weights)
    names, answers = predicted.names, predicted.predictions.answers(top)
    heading, printed = answers.printed
    table = Table(*heading, box=None)
    for name, row in zip(names, printed, strict=True):
        table.add_row(*map(escape, (name, *row)))
    console().print(table)

    columns, values = answers.table
    rows = [[name, *row] for name, row in zip(names, values, strict=True)]
    written = {
        "predictions.csv": csv_text(columns, rows).encode(),
        "predictions.json": _json(record.id, heading[0], names, answers.records),
    }
    if predicted.pictures:
        pictures = predicted.predictions.drawn_on(predicted.pictures)
        written["predictions.png"] = contact_sheet(pictures, answers.captions)
    folder = out or record.path / "predictions"
    for name, content in written.items():
        write_atomic(folder / name, content)
        say(folder / name)
    for kind, contents in answers.files.items():
        for name, content in zip(_file_names(names), contents, strict=True):
            write_atomic(folder / kind / name, content)
        say(folder / kind)


def _file_names(names: Sequence[str]) -> list[str]:
    """Return the name of a PNG file for each sample, with a number where names are the same."""
    found: dict[str, None] = {}
    for name in names:
        stem = Path(name).stem
        tries = (f"{stem}.png", *(f"{stem}-{number}.png" for number in range(2, len(names) + 2)))
        found[next(each for each in tries if each not in found)] = None
    return list(found)


def _json(
    run_id: str, key: str, names: Sequence[str], records: Sequence[Mapping[str, Any]]
) -> bytes:
    rows = [{key: name, **record} for name, record in zip(names, records, strict=True)]
    text = json.dumps({"run": run_id, "predictions": rows}, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # as JSON escapes what is no text
