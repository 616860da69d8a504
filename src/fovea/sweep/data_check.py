"""Whether finished runs are of the data as it is now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from fovea.config.errors import DataError, RecordError
from fovea.sweep.plan import PlannedRun

_NAMED = 3  # runs that the message lists


def require_same_data(runs: Sequence[PlannedRun]) -> None:
    """Compare what finished runs were trained on with the data now; each set is read once.

    A run whose data is not here stands.

    Raises:
        DataError: one was trained on other data. A record is never replaced for that unasked.
    """
    now: dict[str, tuple[str, tuple[str, ...]] | None] = {}
    changed: dict[str, str] = {}
    for run in runs:
        recorded = {}
        with suppress(RecordError):
            recorded = run.folder.read("data.json")
        if not recorded.get("fingerprint"):
            continue
        from fovea.data.image.fingerprint import data_difference
        from fovea.training.assemble import data_state  # torch: only if it is needed

        data = run.config["data"]
        key = json.dumps(data, sort_keys=True)
        if key not in now:
            now[key] = data_state(data)
        if (state := now[key]) and (differs := data_difference(recorded, *state)):
            changed[run.folder.id] = f"{differs}; data.root={data.get('root')}"
    if changed:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        raise DataError(
            f"finished on other data than there is now: {', '.join([*changed][:_NAMED])}{more} "
            f"({next(iter(changed.values()))}); rerun=true replaces the records, another outputs= "
            "keeps both"
        )
