"""``fovea samples``: the test samples that a run did worst on, or best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from fovea.config import paths
from fovea.config.console import console
from fovea.config.errors import DataError, RecordError
from fovea.config.printing import csv_text, say
from fovea.records import find_run, write_atomic
from fovea.records.deleting import require_own


def run(run: str, worst: int, best: int | None, data_root: str | None, out: Path | None) -> None:
    """Print test samples by how well they were predicted; write CSV and, of pictures, a sheet.

    Args:
        worst, best: how many, from that end; ``best`` goes before ``worst``.
        data_root: where the data is, for pictures; ``None`` is where the run found it.

    Raises:
        FoveaError: the run is not there, its predictions are damaged, or its problem ranks none.
    """
    record = find_run(paths.outputs(), run)
    if out is None:
        require_own(record.path)
    from fovea.problems.recorded import predictions_of

    predictions = predictions_of(record)
    ranks = predictions.ranks()
    if ranks is None:
        raise RecordError(f"run {record.id}: its problem says of no sample how good it is")
    ranks = np.nan_to_num(ranks.astype(float), nan=-np.inf)
    order = np.argsort(ranks, kind="stable")
    chosen = (order[::-1] if best else order)[: best or worst].tolist()
    names = predictions.rows.get(predictions.key or "", np.arange(len(predictions)))
    columns = ("sample", "test row", "prediction", "score")
    told = [(str(names[row]), row, predictions.caption(row), float(ranks[row])) for row in chosen]
    table = Table(*columns, box=None)
    for name, row, caption, rank in told:
        table.add_row(escape(name), str(row), escape(caption), f"{rank:.4g}")
    console().print(table)

    written = {"samples.csv": csv_text(columns, told).encode()}
    from fovea.problems.figures import contact_sheet
    from fovea.training.evaluate import pictures_of_test

    try:
        pictures = pictures_of_test(record, chosen, data_root=data_root)
    except DataError as error:
        say(f"no pictures: {error}", stderr=True)
        pictures = []
    if pictures:
        captions = [f"{_short(name)}\n{caption}" for name, _, caption, _ in told]
        written["samples.png"] = contact_sheet(pictures, captions)
    folder = out or record.path / "predictions"
    for name, content in written.items():
        write_atomic(folder / name, content)
        say(folder / name)


def _short(name: str) -> str:
    """Return the last part of what names a sample, less its digest."""
    return (name.rpartition(" ")[0] or name).rpartition("/")[2]
