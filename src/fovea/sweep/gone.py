"""Experiments whose code is gone: what is recorded and published, as a plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fovea.config import paths
from fovea.config.errors import RecordError
from fovea.config.identity import Scientific, reduced, run_id
from fovea.config.keys import targets
from fovea.config.options import stated
from fovea.config.printing import say
from fovea.config.schema import GROUPS
from fovea.config.trust import find_top_level
from fovea.records import RunFolder, all_runs, run_folder
from fovea.sweep.matching import recorded_config
from fovea.sweep.plan import PlannedRun, cell_of, chosen_by, pairs, plan_experiment
from fovea.tables.configs import read_configs
from fovea.tables.results import published


def experiment_runs(name: str) -> list[PlannedRun]:
    """Return the planned runs of an experiment, to be looked at.

    Where its code or its options are gone, those are returned that are recorded here or published,
    and a line on standard error says so.

    Raises:
        ConfigError: there is no such experiment, or its sweep is not valid.
        RecordError: what is published is damaged.
    """
    gone = _gone(name) if paths.experiment(name) else ""
    if not gone:
        return plan_experiment(name)
    runs = _recorded_plan(name)
    if not runs:
        return plan_experiment(name)  # which says what is wrong, if anything is
    say(f"experiments/{name}: {gone}; shown is what is recorded and published", stderr=True)
    return runs


def _gone(name: str) -> str:
    """Return what of an experiment's code cannot be found; '' if all is there."""
    for group, chosen in chosen_by(name).items():
        if group not in GROUPS:
            continue
        for option in (each.strip(" []'\"") for each in chosen.split(",")):
            if not option.isidentifier():  # null, or a choice of Hydra's
                continue
            node = stated(group, option)
            if not node:
                return f"there is no option {group}={option}"
            for _, target in targets(node):
                package = str(target).partition(".")[0]
                if package.isidentifier() and find_top_level(package) is None:
                    trust = f"FOVEA_TRUST={package}"
                    return f"no package '{package}', or it is not trusted ({trust})"
    return ""


def split_overrides(text: str) -> list[str]:
    """Split overrides that were joined by spaces; a value may hold spaces too."""
    return [each for each in re.split(r" (?=[+~]*[\w./@-]+=)", text) if each]


def _recorded_plan(name: str) -> list[PlannedRun]:
    folder, outputs = paths.experiment(name), paths.outputs()
    assert folder is not None
    runs: dict[str, PlannedRun] = {}
    stored = read_configs(folder)
    for id, row in published(name).items():
        if id in stored:
            overrides = [*split_overrides(row.overrides), f"seed={row.seed}"]
            config = reduced(stored[id].config)
            run = _run(name, config, overrides, row.arm or None, run_folder(outputs, id))
            runs[run.id] = run
    for record in all_runs(outputs):
        with suppress(RecordError):
            summary = record.summary
            if summary.get("experiment") == name:
                overrides = [str(each) for each in summary.get("overrides", [])]
                config, arm = recorded_config(record), summary.get("arm")
                run = _run(name, config, overrides, arm, record, record.config)
                runs[run.id] = run
    return list(runs.values())


def _run(
    name: str,
    scientific: Scientific,
    overrides: list[str],
    arm: str | None,
    folder: RunFolder,
    recorded: Mapping[str, Any] | None = None,
) -> PlannedRun:
    own = [each for each in overrides if not each.startswith(("seed=", "experiment="))]
    settings = {key: value for key, value in pairs(own).items() if key not in GROUPS}
    config = {
        **_nested({**settings, **scientific}),
        **(recorded or {}),
        "experiment": name,
        "outputs": str(folder.path.parent.parent),
        "launcher": {"_target_": "fovea.sweep.launchers.Inline"},
    }
    return PlannedRun(
        overrides=tuple(overrides),
        cell=cell_of(own, arm),
        config=config,
        choices={key: str(scientific[key]) for key in scientific if key in GROUPS},
        scientific=scientific,
        id=run_id(scientific),
        folder=folder,
        arm=arm,
    )


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys as a tree; a group's own option gives way to its keys."""
    tree: dict[str, Any] = {}
    for key in sorted(flat, key=lambda each: each.count(".")):
        *parents, last = key.split(".")
        node = tree
        for part in parents:
            if not isinstance(node.get(part), dict):
                node[part] = {}
            node = node[part]
        node[last] = flat[key]
    for group in GROUPS:
        if not isinstance(tree.get(group), dict):
            tree[group] = {}
    return tree
