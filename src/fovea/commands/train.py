"""``fovea train``: one run, a sweep, or an experiment."""

from __future__ import annotations

import argparse
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from fovea.config.compose import require_own_settings, show
from fovea.config.errors import ConfigError
from fovea.config.overrides import explained, parse_overrides, quoted
from fovea.config.printing import PrintableFormatter, say
from fovea.sweep.execute import SweepError, execute
from fovea.sweep.plan import changes_cells, plan_command


def run(overrides: Sequence[str]) -> int:
    """Plan the sweep that the overrides ask for, and train what is not finished of it.

    ``--dry-run`` among them prints the plan, ``--cfg`` the composed config; both build nothing.

    Raises:
        FoveaError: an override, the config or the data is not valid.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    if logging.lastResort is not None:  # warnings from outside of runs, which have logs
        logging.lastResort.setFormatter(PrintableFormatter("fovea: %(message)s"))
    try:
        asked = _arguments(overrides)
        given = _for_every_option([quoted(each) for each in asked.overrides])
        if asked.cfg:
            require_own_settings(given)
            with explained(given):
                show(given, asked.config_dir, asked.cfg, asked.package, resolve=asked.resolve)
            return 0
        runs = plan_command([*given, "dry_run=true"] if asked.dry_run else given, asked.config_dir)
        execute(runs, changed=changes_cells(given, runs))
    except SweepError as error:
        say(f"fovea: {error}", stderr=True)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see: fovea train --help")


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    """Tell the flags, wherever they stand, from the overrides.

    Raises:
        ConfigError: there is no such flag.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")  # as it is anyway
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--package", "-p")
    parser.add_argument("--config-dir", "-cd", type=Path)
    return parser.parse_intermixed_args(list(given))


def _interrupt(signum: int, _: Any) -> None:
    raise KeyboardInterrupt(signal.Signals(signum).name)


def _for_every_option(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``optimizer.momentum=.9`` as ``++…`` where optimizers are swept.

    Hydra would apply it to the default optimizer first, which may have no momentum; a run whose
    optimizer has none is refused by the schema.

    Raises:
        ConfigError: one of them is not an override, or gives a group no option.
    """
    parsed = parse_overrides(filter(_is_override, arguments))
    swept = {each.key_or_group for each in parsed if each.is_sweep_override()}
    return [
        f"++{each}" if "." in each.partition("=")[0] and each.partition(".")[0] in swept else each
        for each in arguments
    ]


def _is_override(argument: str) -> bool:
    return "=" in argument and not argument.startswith("-")
