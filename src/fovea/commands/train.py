"""``fovea train``: one run, a sweep, or an experiment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fovea.config import paths
from fovea.config.compose import ROOT, choices, plain
from fovea.config.overrides import explained, parse, quoted
from fovea.config.printing import say
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
        given = [quoted(each) if _is_override(each) else each for each in given]
        sys.argv = ["fovea train", *_for_every_option(given)]
        with explained(given):
            main(job)()
    except SweepError as error:
        say(f"fovea: {error}", stderr=True)
        return 1
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
    say(
        f"{summary['id']}  {summary['name']:<28} {_result(summary)}  {summary['seconds']:7.1f} s",
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
        ConfigError: one of them is not an override, or gives a group no option.
    """
    parsed = parse(filter(_is_override, arguments))
    swept = {each.key_or_group for each in parsed if each.is_sweep_override()}
    return [
        f"++{each}" if "." in each.partition("=")[0] and each.partition(".")[0] in swept else each
        for each in arguments
    ]


def _is_override(argument: str) -> bool:
    return "=" in argument and not argument.startswith("-")
