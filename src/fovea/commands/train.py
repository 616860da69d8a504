"""``fovea train``: one run, a sweep, or an experiment."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from fovea.config import paths
from fovea.config.compose import ROOT, choices, compose_run, plain
from fovea.config.errors import ConfigError, FoveaError, did_you_mean
from fovea.config.options import groups, options
from fovea.config.schema import validate
from fovea.records import RunFolder
from fovea.sweep.execute import SweepError


def run(overrides: Sequence[str]) -> int:
    """Hand the overrides to Hydra, which plans the sweep and launches its runs.

    ``--dry-run`` among them is short for ``dry_run=true``.

    Raises:
        FoveaError: an override, the config or the data is not valid.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come here whole, to be told in one line
    main = hydra.main(version_base="1.3", config_path=str(paths.conf()), config_name=ROOT)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        given = ["dry_run=true" if each == "--dry-run" else each for each in overrides]
        sys.argv = ["fovea train", *_for_every_option(given)]
        main(job)()
    except SweepError as error:
        print(f"fovea: {error}", file=sys.stderr)
        return 1
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error, overrides)) from error
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _interrupt(signum: int, _: Any) -> None:
    raise KeyboardInterrupt(signal.Signals(signum).name)


def job(config: DictConfig) -> dict[str, Any] | None:
    """Train one run; Hydra's launcher calls this, in whatever process it launches.

    A run that another process trains, or has trained meanwhile, is left to it: ``None``.
    """
    resolved = plain(config)
    validate(resolved)  # hydra.mode=RUN comes here without a plan
    runtime = HydraConfig.get().runtime
    run = RunFolder(Path(runtime.output_dir))
    with run.lock() as free:
        if not free:
            return None
        from fovea.training.assemble import data_fingerprint
        from fovea.training.train import train

        if run.status == "finished" and not resolved["rerun"]:  # meanwhile, or of other data
            recorded = run.read("data.json").get("fingerprint")
            if recorded is None or data_fingerprint(resolved["data"]) in (recorded, None):
                return None
        summary = train(resolved, run, choices(runtime.choices))
    print(
        f"{summary['id']}  {summary['name']:<28} {_result(summary)}  {summary['seconds']:7.1f} s",
        flush=True,
    )
    return summary


def _result(summary: Mapping[str, Any]) -> str:
    accuracy = summary["metrics"].get("test/accuracy")
    if accuracy is None:  # nothing was trained
        return f"{summary['parameters']:,} parameters, {summary['macs']:,} MACs"
    return f"test accuracy {accuracy:6.2%}"


def _for_every_option(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``optimizer.momentum=.9`` as ``++…`` where optimizers are swept.

    Hydra would apply it to the default optimizer first, which may have no momentum; a run whose
    optimizer has none is refused by the schema.

    Raises:
        ConfigError: what a group is set to cannot be the name of an option.
    """
    parser = OverridesParser.create()
    swept = set()
    for each in map(parser.parse_override, filter(_is_override, arguments)):
        if each.is_sweep_override():
            swept.add(each.key_or_group)
        elif each.key_or_group in groups():
            name = each.get_value_element_as_str()
            if name.startswith("_") or name.replace(".", "").isdigit():
                raise ConfigError(_no_option(each.key_or_group, name))
    return [
        f"++{each}" if "." in each.partition("=")[0] and each.partition(".")[0] in swept else each
        for each in arguments
    ]


def _is_override(argument: str) -> bool:
    return "=" in argument and not argument.startswith("-")


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """Tell what Hydra objects to in one line, with the nearest valid name."""
    if isinstance(error.__cause__, FoveaError):
        return str(error.__cause__)
    text = str(error).strip()
    if missing := re.search(r"Could not find '(\w+)/(.*?)'", text):
        return _no_option(*missing.groups())
    if unknown := re.search(r"Could not override '([\w./@]+)'", text):
        key = unknown.group(1)
        known = _known_keys(overrides)
        return f"{key}: unknown key{did_you_mean(key, known) or '; see: fovea list'}"
    return " ".join(line.strip() for line in text.splitlines()[:2])


def _no_option(group: str, option: str) -> str:
    near = did_you_mean(option, options(group)) if group in groups() else ""
    return f"{group}={option}: no such option{near} (see: fovea list {group})"


def _known_keys(overrides: Sequence[str]) -> list[str]:
    """Return every dotted key of the config that the group choices among the overrides compose."""
    known = groups()
    chosen = [item for item in overrides if item.partition("=")[0] in known and "," not in item]
    try:
        return [*known, *_dotted(compose_run(chosen), "")]
    except (HydraException, OmegaConfBaseException):
        return known


def _dotted(node: dict[str, Any], prefix: str) -> list[str]:
    keys = []
    for key, value in node.items():
        keys.append(prefix + key)
        if isinstance(value, dict):
            keys += _dotted(value, f"{prefix}{key}.")
    return keys
