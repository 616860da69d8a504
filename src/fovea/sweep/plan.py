"""The plan of a sweep: every run of the grid with its config and id, before the first one starts.

It is also how a table finds its runs.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from fovea.config.compose import (
    choices,
    compose_sweep,
    config_loader,
    plain,
    require_own_hydra,
    require_own_settings,
    without_hydra,
)
from fovea.config.errors import ConfigError, did_you_mean, one_line
from fovea.config.experiment import check_experiment
from fovea.config.files import read_yaml
from fovea.config.identity import REPEATS, Scientific, all_settings, run_id, scientific
from fovea.config.keys import look_up
from fovea.config.options import defaults_of, groups
from fovea.config.overrides import expand, explained, from_mapping, parse_overrides, require_few
from fovea.config.paths import conf, experiment, experiment_names
from fovea.config.printing import say
from fovea.config.schema import validate
from fovea.config.several import rewritten
from fovea.records import RunFolder, run_folder
from fovea.sweep.matching import earlier_records
from fovea.tables.cells import Repeat

_OF_HYDRA = re.compile(r"[+~]*hydra[./]")


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Args:
        overrides: what composes its config.
        cell: the same without seed and fold, and the name of its arm; runs that share it are one
            cell.
        config: resolved, as plain containers.
        choices: the option chosen of each config group.
        scientific: what of the config can change the numbers.
        id: of the scientific config.
        folder: where its record is, or will be; one of an earlier rule of ids keeps its name.
        arm: the name of its set of joint overrides, in a sweep that has such.
        same: other overrides of the sweep that compose the same run.
    """

    overrides: tuple[str, ...]
    cell: tuple[str, ...]
    config: dict[str, Any]
    choices: dict[str, str]
    scientific: Scientific
    id: str
    folder: RunFolder
    arm: str | None = None
    same: tuple[tuple[str, ...], ...] = ()

    @property
    def own_overrides(self) -> str:
        """What composes its cell, apart from the experiment, as one text."""
        own = (each for each in self.overrides if not each.startswith(("seed=", "experiment=")))
        return " ".join(own)

    @property
    def folds(self) -> int:
        """Of its cross-validation; 0 where it is of none."""
        return self.config["data"].get("folds") or 0

    @property
    def repeat(self) -> Repeat:
        """What tells it from the other runs of its cell."""
        fold = self.config["data"].get("fold", 0) if self.folds else None
        return Repeat(self.config["seed"], fold)

    def value(self, key: str) -> str:
        """Return what a table tells the run by: its ``arm``, a group's option or a config value."""
        if key == "arm":
            return self.arm or "–"
        if key in self.choices:
            return self.choices[key]
        return str(look_up(self.config, key))


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
    given = parse_overrides(arguments, loader)
    named = {each.key_or_group for each in given}
    grids: dict[str | None, list[Override]] = {}
    for arm, joint in (arms or {None: {}}).items():
        own = parse_overrides(from_mapping(joint, f"hydra.sweeper.arms.{arm}"), loader)
        grids[arm] = [*(each for each in own if each.key_or_group not in named), *given]
    require_few(grids.values())
    jobs = [(arm, job) for arm, grid in grids.items() for job in expand(grid)]
    if not jobs:
        raise ConfigError(f"no runs: a pattern in '{' '.join(arguments)}' matches no option")
    composer = _Composer(loader, master)
    planned: dict[tuple[str | None, str], PlannedRun] = {}
    same: dict[tuple[str | None, str], list[tuple[str, ...]]] = {}
    for arm, job in jobs:
        config, chosen = composer.compose(job)
        try:
            validate(config)
        except ConfigError as error:
            where = f" [in: {' '.join(job)}]" if len(jobs) > 1 else ""
            raise ConfigError(f"{error}{where}") from None
        identity = scientific(config, chosen)
        run = PlannedRun(
            overrides=job,
            cell=cell_of(job, arm),
            config=config,
            choices=chosen,
            scientific=identity,
            id=run_id(identity),
            folder=run_folder(Path(config["outputs"]), run_id(identity)),
            arm=arm,
        )
        if planned.setdefault((arm, run.id), run) is not run:
            same.setdefault((arm, run.id), []).append(job)
    return _with_records(
        [replace(run, same=tuple(same.get(key, ()))) for key, run in planned.items()]
    )


def _with_records(runs: list[PlannedRun]) -> list[PlannedRun]:
    """Find the records of runs that have an id of an earlier rule."""
    if all(run.folder.path.exists() for run in runs):
        return runs
    earlier = earlier_records(Path(runs[0].config["outputs"]))
    return [
        run if run.folder.path.exists() else replace(run, folder=earlier.get(run.id, run.folder))
        for run in runs
    ]


def plan_command(
    overrides: Sequence[str], config_dir: Path | None = None, *, where: str = ""
) -> list[PlannedRun]:
    """Plan the sweep that overrides ask for; nothing that they name is built.

    Args:
        overrides: as on the command line.
        config_dir: a folder of further config groups.
        where: what is planned, for messages.

    Raises:
        ConfigError: a run's config is not valid, or a file or an override sets what is Hydra's.
    """
    require_own_settings(overrides)
    overrides = with_problem(overrides)
    with explained(overrides, where), config_loader(config_dir) as loader:
        master = compose_sweep(loader, list(overrides))
        require_own_hydra(master.hydra)
        params, arms = grid_of(master)
        given = [each for each in overrides if not _OF_HYDRA.match(each)]
        return plan(loader, master, [*params, *given], arms)


def with_problem(overrides: Sequence[str]) -> list[str]:
    """Add the options that go with the data to overrides that leave them open.

    Raises:
        ConfigError: several data sets are swept whose problems differ.
    """
    given = pairs([each.lstrip("+") for each in overrides])
    chosen = chosen_by(given.get("experiment", ""))
    data = [each.strip() for each in given.get("data", chosen.get("data", "")).split(",")]
    default = defaults_of(_default_data())
    found = [defaults_of(each) or default for each in data]
    if any(each != found[0] for each in found):
        raise ConfigError(
            f"data={','.join(data)}: data of different problems; sweep each by itself"
        )
    if found[0] == default:
        return list(overrides)
    open_groups = [group for group in found[0] if group not in given and group not in chosen]
    return [*overrides, *(f"{group}={found[0][group]}" for group in open_groups)]


def _default_data() -> str:
    root = read_yaml(conf() / "train.yaml")
    return next(each["data"] for each in root["defaults"] if "data" in each)


def chosen_by(name: str) -> dict[str, str]:
    """Return the options that an experiment's file chooses; of its grid, the keys."""
    folder = experiment(name) if name and "," not in name else None
    if folder is None:
        return {}
    file = folder / "sweep.yaml"
    content = check_experiment(read_yaml(file, exponents=True, limit=100_000), file)
    chosen: dict[str, str] = {}
    for each in content.get("defaults") or []:
        if isinstance(each, Mapping):
            chosen |= {str(key).rpartition("/")[2]: str(value) for key, value in each.items()}
    sweeper = (content.get("hydra") or {}).get("sweeper") or {}
    for joint in [sweeper.get("params") or {}, *(sweeper.get("arms") or {}).values()]:
        chosen |= {str(key): str(value) for key, value in (joint or {}).items()}
    return chosen


def changes_cells(arguments: Sequence[str], runs: Sequence[PlannedRun]) -> bool:
    """Return whether overrides make other cells; other seeds and folds fill the same."""
    keys = [re.split("[=@]", each.lstrip("+~"))[0] for each in arguments]
    known = {key for run in runs for key in all_settings(run.config, run.choices)}.difference(
        REPEATS
    )
    return any(key in known or any(each.startswith(f"{key}.") for each in known) for key in keys)


def cell_of(overrides: Sequence[str], arm: str | None) -> tuple[str, ...]:
    """Return what tells the cell of a run from others: its arm and overrides, less the repeats'."""
    own = [each for each in overrides if each.partition("=")[0] not in REPEATS]
    return tuple(own if arm is None else [f"arm={arm}", *own])


def plan_experiment(name: str) -> list[PlannedRun]:
    """Plan the runs of an experiment.

    Raises:
        ConfigError: there is no such experiment, or its sweep is not valid.
    """
    if experiment(name) is None:
        known = experiment_names()
        near = did_you_mean(name, known)
        raise ConfigError(f"no experiment '{name}'{near} (known: {', '.join(known)})")
    return plan_command([f"experiment={name}"], where=f"experiments/{name}/sweep.yaml")


def print_collapsed(runs: Sequence[PlannedRun]) -> None:
    """Print the keys of a sweep whose values are all one run to it, as no number hangs on them."""
    jobs = [[pairs(job) for job in (run.overrides, *run.same)] for run in runs]
    for key in {key: None for of_run in jobs for job in of_run for key in job}:
        values = [{job.get(key) for job in of_run} for of_run in jobs]
        count = len(set.union(*values))
        if count > 1 and all(len(each) == count for each in values):
            ids = "one run id" if len(runs) == 1 else "the same run ids"
            say(f"{key}: its {count} values give {ids}; only the first is trained")


def grid_of(master: DictConfig) -> tuple[list[str], Mapping[str, Any] | None]:
    """Return what a composed config sweeps: overrides of several values, and its arms.

    Raises:
        ConfigError: they are not mappings.
    """
    params, arms = master.hydra.sweeper.params, master.hydra.sweeper.arms
    if not isinstance(arms, DictConfig | None):
        raise ConfigError(
            "hydra.sweeper.arms: should be a mapping (NAME: {KEY: VALUE, …}), "
            f"not {one_line(arms, 80)}"
        )
    named = None if arms is None else {str(name): joint for name, joint in arms.items()}
    return from_mapping(params, "hydra.sweeper.params"), named


def pairs(overrides: Sequence[str]) -> dict[str, str]:
    """Return the value of each override by its key; a deletion (``~key``) has none."""
    return {key: value for key, _, value in (each.partition("=") for each in overrides)}


def swept_keys(cells: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the override keys that tell cells apart: in an arm, those its name does not."""
    values: dict[tuple[str | None, str], set[str]] = {}
    for cell in cells:
        overrides = pairs(cell)
        arm = overrides.get("arm")
        for key, value in overrides.items():
            values.setdefault((None if key == "arm" else arm, key), set()).add(value)
    return list(dict.fromkeys(key for (_, key), seen in values.items() if len(seen) > 1))


class _Composer:
    """Composes the runs of a sweep; what they have in common, their config groups, once.

    Reading and merging the files of the groups is nearly all of the time that Hydra takes.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._groups = {*groups(), *master.hydra.runtime.choices}
        self._composed: dict[tuple[str, ...], tuple[DictConfig, dict[str, str]]] = {}

    def compose(self, job: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the resolved config of one run, and the option chosen of each group."""
        chosen: list[str] = []
        values: list[Override] = []
        texts = rewritten(job)
        for text, override in zip(texts, self._parser.parse_overrides(texts), strict=True):
            if override.package is not None or override.key_or_group in self._groups:
                chosen.append(text)
            elif not override.key_or_group.startswith("hydra."):
                values.append(override)
        common = self._composed.get(tuple(chosen))
        if common is None:
            whole = self._loader.load_sweep_config(self._master, chosen)
            common = without_hydra(whole), choices(whole.hydra.runtime.choices)
            self._composed[tuple(chosen)] = common
        composed = copy.deepcopy(common[0])
        ConfigLoaderImpl._apply_overrides_to_config(values, composed)
        return plain(composed), common[1]
