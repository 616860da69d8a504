"""What has changed fovea's numbers: which results may not be compared with those of today.

The list of changes is only ever added to. A result keeps how many there were when it was trained
(``numerics``); later ones that affect its config are told beside it, in every table and report.
The golden runs (``tests/training/golden.json``) show whether a commit changes numbers at all. Code
outside fovea is told by a digest of its source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fovea.config.code import foreign_code
from fovea.config.keys import targets

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A change of the numbers that fovea computes.

    Args:
        what: it changed, for a note: "trained before …".
        affects: whether it changes the numbers of a run of this config.
        metric: the only one that it changes; empty is all.
    """

    what: str
    affects: Callable[[Config], bool]
    metric: str = ""


def _uses(*names: str) -> Callable[[Config], bool]:
    return lambda config: any(target in names for _, target in targets(config))


def _is_fractional(config: Config) -> bool:
    schedule = config.get("schedule", {})
    values = [schedule.get(key) for key in ("every", "period", "warmup_epochs")]
    values += schedule.get("milestones", [])
    return any(isinstance(value, float) and not value.is_integer() for value in values)


CHANGES = (
    Change(
        "multiplications of LeNet-5's C3 were counted by its connections",
        lambda config: (
            _uses("fovea.models.lenet5.LeNet5")(config)
            and config["model"].get("variant", "original") == "original"
        ),
        metric="macs",
    ),
    Change(
        "the last step of one_cycle had its final learning rate",
        _uses("fovea.optim.schedules.OneCycle"),
    ),
    Change(
        "schedules met periods and milestones of fractions of an epoch exactly",
        _is_fractional,
    ),
    Change(
        "a short last group of accumulated batches was averaged over its own batches",
        lambda config: config.get("trainer", {}).get("accumulate", 1) > 1,
    ),
    Change(
        "the augmentation of an epoch's first batch and the order of its samples were drawn from "
        "separate random streams",
        _uses("fovea.augment.flip_crop.FlipCrop", "fovea.augment.geometric.Geometric"),
    ),
)
NUMERICS = len(CHANGES)


def changes_since(
    numerics: int, config: Config, metrics: Collection[str] | None = None
) -> Iterator[str]:
    """Yield what has changed the numbers of a run since, each as a note.

    Args:
        numerics: how many changes there were when it was trained; 0 for results of before that
            was kept.
        config: of the run, composed.
        metrics: those that are looked at; ``None`` is all.
    """
    for number, change in enumerate(CHANGES[numerics:], numerics + 1):
        seen = not change.metric or metrics is None or change.metric in metrics
        if seen and change.affects(config):
            yield f"trained before {change.what} (numerics {number})"


def changes_of_record(
    environment: Mapping[str, Any], config: Config, metrics: Collection[str] | None = None
) -> Iterator[str]:
    """Yield what has changed the numbers of a recorded run since, each as a note.

    Args:
        environment: of its record, ``environment.json``.
        config: of the run, composed.
        metrics: those that are looked at; ``None`` is all.
    """
    yield from changes_since(environment.get("numerics", 0), config, metrics)
    then, now = environment.get("code", {}), foreign_code(config)
    both = then.keys() & now.keys()
    if changed := sorted(name for name in both if then[name] != now[name]):
        yield f"trained before {', '.join(changed)} changed"
