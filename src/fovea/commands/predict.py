"""``fovea predict``: what a trained network sees in images."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy import isfinite
from rich.markup import escape
from rich.table import Table

from fovea.config import paths
from fovea.config.console import console
from fovea.config.errors import DataError
from fovea.config.printing import say, spreadsheet_cell
from fovea.records import find_run, write_atomic
from fovea.records.deleting import require_own

_SHEET = 100  # pictures on a contact sheet
_NONE = "no prediction"  # what a network says whose outputs are no numbers


def run(run: str, images: Sequence[str], weights: str | None, top: int, out: Path | None) -> None:
    """Print the likeliest classes of each image; write CSV, JSON and a contact sheet.

    Raises:
        FoveaError: the run or its weights are not there, or an image cannot be read.
    """
    record = find_run(paths.outputs(), run)
    if out is None:
        require_own(record.path)
    files = _files(images)
    from fovea.problems.figures import contact_sheet
    from fovea.training.predict import predict

    pictures, probabilities, classes = predict(record, files, weights=weights)
    count = max(1, min(top, len(classes)))
    best = probabilities.argsort(axis=1)[:, ::-1][:, :count]
    guesses = [
        [(classes[index], float(row[index])) for index in order] if isfinite(row).all() else []
        for row, order in zip(probabilities, best, strict=True)
    ]
    table = Table("image", "class", "probability", *(["then"] if count > 1 else []), box=None)
    for file, ranked in zip(files, guesses, strict=True):
        shown = [(name, f"{share:.1%}") for name, share in ranked] or [(_NONE, "–")]
        (name, share), *others = shown
        then = ", ".join(f"{other} {chance}" for other, chance in others)
        table.add_row(*(escape(text) for text in (str(file), name, share, then) if text))
    console().print(table)

    folder = out or record.path / "predictions"
    names = [str(file) for file in files]
    captions = [f"{ranked[0][0]} {ranked[0][1]:.0%}" if ranked else _NONE for ranked in guesses]
    written = {
        "predictions.csv": _csv(names, guesses, probabilities, classes).encode(),
        "predictions.json": _json(record.id, names, guesses, probabilities, classes),
        "predictions.png": contact_sheet(pictures[:_SHEET], captions[:_SHEET]),
    }
    for name, content in written.items():
        write_atomic(folder / name, content)
        say(folder / name)


def _files(given: Sequence[str]) -> list[Path]:
    """Return the named images and those below the named folders, each folder's sorted."""
    files: list[Path] = []
    for item in map(Path, given):
        if item.is_dir():
            from fovea.data.sources.image_files import find_images

            files += find_images(item).images
        elif item.is_file():
            files.append(item)
        else:
            raise DataError(f"{item}: no such image or folder")
    if not files:
        raise DataError(f"no images in {', '.join(given)}")
    return files


def _csv(names: Sequence[str], guesses: Any, probabilities: Any, classes: Sequence[str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(map(spreadsheet_cell, ["image", "class", "probability", *classes]))
    for name, ranked, row in zip(names, guesses, probabilities, strict=True):
        shares = [f"{value:.6f}" for value in row] if ranked else [""] * len(classes)
        first = ranked[0] if ranked else (_NONE, "")
        writer.writerow(map(spreadsheet_cell, [name, *first, *shares]))
    return stream.getvalue()


def _json(
    run_id: str, names: Sequence[str], guesses: Any, probabilities: Any, classes: Sequence[str]
) -> bytes:
    rows = [
        {
            "image": name,
            "class": ranked[0][0] if ranked else _NONE,
            "probabilities": dict(zip(classes, map(float, row), strict=True)) if ranked else None,
        }
        for name, ranked, row in zip(names, guesses, probabilities, strict=True)
    ]
    text = json.dumps({"run": run_id, "predictions": rows}, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # as JSON escapes what is no text
