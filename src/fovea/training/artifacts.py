"""What a run leaves beside its summary: machine, predictions and pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from fovea.config.code import code_of
from fovea.config.numerics import NUMERICS
from fovea.problems.predictions import Predictions
from fovea.records import RunFolder, write_atomic
from fovea.training.assemble import Lab
from fovea.training.settings import Watched
from fovea.training.tracking.environment import environment, uncommitted_diff


def describe_machine(run: RunFolder, lab: Lab) -> None:
    """Record what trains, the settings it trains with, and the code as it stands."""
    settings = lab.settings
    resolved = {
        "precision": settings.resolved_precision,
        "strategy": settings.resolved_strategy,
        "compile": settings.compile,
        "hardware": settings.resolved_hardware,
    }
    uncommitted = uncommitted_diff()
    code = {"code": code_of(lab.config), "numerics": NUMERICS}
    described = environment(uncommitted) | code | {"resolved": resolved}
    run.write("environment.json", described)
    if uncommitted:
        write_atomic(run.path / "uncommitted.diff", uncommitted.encode(errors="surrogateescape"))


def write_results(
    run: RunFolder,
    predictions: Predictions,
    pictures: Mapping[str, bytes],
    rows: Sequence[Mapping[str, float]],
    title: str,
    watched: Watched,
) -> None:
    """Write the predictions of the test, their pictures, and the learning curves."""
    import pandas as pd  # 1 s of imports: only after the training

    from fovea.training.tracking.curves import draw_curves

    columns = {
        name: each if each.ndim == 1 else list(each) for name, each in predictions.rows.items()
    }
    frame = pd.DataFrame({"index": range(len(predictions)), **columns})
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    write_atomic(run.predictions, stream.getvalue())
    write_atomic(run.path / "curves.png", draw_curves(rows, title, watched))
    for name, picture in pictures.items():
        write_atomic(run.path / name, picture)
