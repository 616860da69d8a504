"""The plan of a sweep: every run of the grid with its config and id, before the first one starts.

It is also how a table finds its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from fovea.config.compose import choices, compose_sweep, config_loader, plain
from fovea.config.errors import ConfigError, did_you_mean
from fovea.config.identity import run_id
from fovea.config.paths import experiment, experiment_names
from fovea.config.schema import validate
from fovea.records import RunFolder, run_folder


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Args:
        overrides: what composes its config.
        cell: the same without the seed, and the name of its arm; runs that share it are one cell.
        config: resolved, as plain containers.
        choices: the option chosen of each config group.
        folder: where its record is, or will be.
        arm: the name of its set of joint overrides, in a sweep that has such.
    """

    overrides: tuple[str, ...]
    cell: tuple[str, ...]
    config: dict[str, Any]
    choices: dict[str, str]
    folder: RunFolder
    arm: str | None = None

    def value(self, key: str) -> str:
        """Return what a table tells the run by: its ``arm``, a group's option or a config value."""
        if key == "arm":
            return self.arm or "–"
        if key in self.choices:
            return self.choices[key]
        node: Any = self.config
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return str(node)


def plan(
    loader: ConfigLoader,
    master: DictConfig,
    arguments: Sequence[str],
    arms: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[PlannedRun]:
    """Compose and validate every run of a sweep; a run that occurs twice in a cell is planned once.

    Args:
        loader: Hydra's.
        master: the composed root config.
        arguments: overrides; several values of a key make the grid.
        arms: named sets of overrides that go together; the grid is gone through in each. What the
            arguments say of a key wins.

    Raises:
        ConfigError: there is no run, or one's config is not valid; the message names its overrides.
    """
    parser = OverridesParser.create(config_loader=loader)
    given = {each.key_or_group for each in parser.parse_overrides(list(arguments))}
    planned: dict[tuple[str | None, str], PlannedRun] = {}
    for arm, joint in (arms or {None: {}}).items():
        own = [f"{key}={value}" for key, value in (joint or {}).items() if key not in given]
        overrides = parser.parse_overrides([*own, *arguments])
        (jobs,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
        if not jobs:
            raise ConfigError(f"no runs: a pattern in '{' '.join(arguments)}' matches no option")
        for job in jobs:
            run = _compose(loader, master, job, arm, alone=len(jobs) == 1)
            planned.setdefault((arm, run.folder.id), run)
    return list(planned.values())


def plan_experiment(name: str) -> list[PlannedRun]:
    """Plan the runs of an experiment.

    Raises:
        ConfigError: there is no such experiment, or its sweep is not valid.
    """
    if experiment(name) is None:
        known = experiment_names()
        near = did_you_mean(name, known)
        raise ConfigError(f"no experiment '{name}'{near} (known: {', '.join(known)})")
    with config_loader() as loader:
        arguments = [f"experiment={name}"]
        master = compose_sweep(loader, arguments)
        sweeper = master.hydra.sweeper
        params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
        return plan(loader, master, [*params, *arguments], sweeper.arms)


def _compose(
    loader: ConfigLoader, master: DictConfig, job: Sequence[str], arm: str | None, *, alone: bool
) -> PlannedRun:
    composed = loader.load_sweep_config(master, list(job))
    config = plain(composed)
    try:
        validate(config)
    except ConfigError as error:
        where = "" if alone else f" [in: {' '.join(job)}]"
        raise ConfigError(f"{error}{where}") from None
    cell = [item for item in job if not item.startswith("seed=")]
    return PlannedRun(
        overrides=tuple(job),
        cell=tuple(cell if arm is None else [f"arm={arm}", *cell]),
        config=config,
        choices=choices(composed.hydra.runtime.choices),
        folder=run_folder(Path(config["outputs"]), run_id(config)),
        arm=arm,
    )
