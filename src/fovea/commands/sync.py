"""``fovea sync``: offline W&B runs to the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fovea.config import paths
from fovea.config.errors import ConfigError
from fovea.config.printing import say
from fovea.records import all_runs, find_run


def run(runs: Sequence[str], all: bool, parallel: int) -> int:
    """Upload runs and say what became of each; 1 where one failed.

    Raises:
        FoveaError: nothing was asked for, there is no such run, or no account or no network.
    """
    if bool(runs) == all:
        raise ConfigError("name runs, or give --all for every recorded run")
    from fovea.training.tracking.sync import upload

    outputs = paths.outputs()
    named = dict.fromkeys(find_run(outputs, each) for each in runs)
    counts: Counter[str] = Counter()
    for done in upload(list(named) or all_runs(outputs), parallel):
        counts[done.outcome] += 1
        because = f": {done.reason}" if done.reason else ""
        say(f"{done.run.id}  {done.outcome}{because}")
    told = [f"{count} {outcome}" for outcome, count in counts.items()]
    say(", ".join(told) or "no runs recorded")
    return int(counts["failed"] > 0)
