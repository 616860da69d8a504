"""The run id: a hash of everything in a config that can change the numbers, and nothing else.

``auto`` values (precision, accelerator, compile) are hashed as asked, not as resolved: an
experiment has the same ids on every machine, so its table can be filled from several. What each
became is in the run's ``environment.json``. ``trainer.compile=auto`` goes by a stopwatch, and
compiled numbers differ from eager ones in their last digits: where two machines, or one before and
after its timings are deleted, must agree to the bit, ask for ``true`` or ``false``.

A key that is ``null`` is as if it were not there: a key added later, with ``null`` for "as before",
leaves the ids of published runs as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

NOT_SCIENTIFIC = (
    "experiment",
    "hydra",
    "launcher",
    "outputs",
    "dry_run",
    "rerun",
    "skip_published",
    "stop_on_failure",
    "tracking",
    "data.root",
    "data.download",
    "data.memory_limit",
    "data.workers",
    "trainer.checkpoint_seconds",
    "trainer.progress_bar",
    "trainer.threads",
)


def scientific(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved config that can change a run's numbers."""
    return _scientific(config, prefix="")


def is_scientific(key: str) -> bool:
    """Whether a dotted config key, or a group, can change a run's numbers."""
    return not any(f"{key}.".replace("/", ".").startswith(f"{each}.") for each in NOT_SCIENTIFIC)


def run_id(config: Mapping[str, Any]) -> str:
    """Return the id of the run a resolved config describes: 12 hexadecimal digits."""
    text = json.dumps(_canonical(scientific(config)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _scientific(node: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {
        key: _scientific(value, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in node.items()
        if is_scientific(prefix + key)
    }


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # lr=1 and lr=1.0 are one run
    return value
