"""Composing configs with Hydra, outside of a running Hydra job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fovea.config import paths
from fovea.config.errors import ConfigError
from fovea.config.several import rewritten

ROOT = "train"  # the name of the one root config

_UNUSED = {  # as it is in conf/train.yaml and Hydra's own files
    "run": {"dir": "unused"},
    "sweep": {"dir": "unused", "subdir": "unused"},
    "callbacks": {},
    "launcher": {"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"},
}
_SETTABLE = ("hydra.sweeper.params", "hydra.sweeper.arms", "hydra.searchpath")


def without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of a composed config without its ``hydra`` node."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain containers, interpolations resolved, without ``hydra``."""
    own = without_hydra(config) if "hydra" in config else config
    container = OmegaConf.to_container(own, resolve=True, throw_on_missing=False)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def choices(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Return the option chosen of each of fovea's own groups, from Hydra's runtime choices.

    Of several options of a group, each is at its key: ``metrics.auroc``.
    """
    return {
        group.rpartition("@")[2]: str(option)
        for group, option in chosen.items()
        if "/" not in group and isinstance(option, str) and option != "None"
    }


@contextmanager
def config_loader(config_dir: Path | None = None) -> Iterator[ConfigLoader]:
    """Open the config groups with Hydra's loader, and those of another folder where they lack one.

    Raises:
        ConfigError: there is no such folder.
    """
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        if config_dir is not None:
            if not config_dir.is_dir():
                raise ConfigError(f"--config-dir {config_dir}: no such folder")
            searched = create_config_search_path(str(paths.conf()))
            folder = f"file://{config_dir.resolve()}"
            searched.prepend("command-line", folder, anchor=SearchPathQuery(provider="schema"))
            GlobalHydra.instance().clear()
            Hydra.create_main_hydra2("app", searched)
        yield GlobalHydra.instance().config_loader()


def require_own_settings(overrides: Iterable[str]) -> None:
    """Refuse overrides of what is Hydra's own: fovea composes by it, and neither runs nor records.

    Raises:
        ConfigError: an override sets another key of ``hydra`` than those of a sweep.
    """
    for each in overrides:
        for key in each.partition("=")[0].lstrip("+~").split("@"):
            name = key.replace("/", ".")
            settable = any(f"{name}.".startswith(f"{known}.") for known in _SETTABLE)
            if f"{name}.".startswith("hydra.") and not settable:
                raise _not_settable(key)


def require_own_hydra(node: DictConfig) -> None:
    """Refuse a composed ``hydra`` node in which some config file sets what is Hydra's own.

    Raises:
        ConfigError: it differs from Hydra's own in more than the grid and the arms of a sweep.
    """
    for key, own in _UNUSED.items():
        if OmegaConf.to_container(node[key]) != own:
            raise _not_settable(f"hydra.{key}")
    if more := sorted(set(node.sweeper) - {"params", "arms"}):
        raise _not_settable(f"hydra.sweeper.{more[0]}")


def _not_settable(key: str) -> ConfigError:
    return ConfigError(
        f"{key}: fovea runs and records by itself (launcher=NAME, outputs=FOLDER); of Hydra's own, "
        f"only {', '.join(_SETTABLE)} can be set"
    )


def show(
    overrides: list[str],
    config_dir: Path | None,
    kind: Literal["job", "hydra", "all"],
    package: str | None,
    *,
    resolve: bool,
) -> None:
    """Print a composed config, as Hydra's ``--cfg`` does."""
    with config_loader(config_dir):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        hydra.show_cfg(ROOT, rewritten(overrides), kind, package, resolve)


def compose_sweep(loader: ConfigLoader, overrides: list[str]) -> DictConfig:
    """Compose the root config of a sweep, with its ``hydra`` node."""
    return loader.load_configuration(ROOT, rewritten(overrides), run_mode=RunMode.MULTIRUN)


def compose_run(overrides: list[str]) -> dict[str, Any]:
    """Compose the config of one run as plain containers."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return plain(compose(ROOT, rewritten(overrides)))
