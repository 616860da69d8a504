"""Composing configs with Hydra, outside of a running Hydra job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fovea.config import paths

ROOT = "train"  # the name of the one root config


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
    """Return the option chosen of each of fovea's own groups, from Hydra's runtime choices."""
    return {
        group: str(option)
        for group, option in chosen.items()
        if "/" not in group and option not in (None, "None")
    }


@contextmanager
def config_loader() -> Iterator[ConfigLoader]:
    """Open the config groups with Hydra's loader."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


def compose_sweep(loader: ConfigLoader, overrides: list[str]) -> DictConfig:
    """Compose the root config of a sweep, with its ``hydra`` node."""
    return loader.load_configuration(ROOT, overrides, run_mode=RunMode.MULTIRUN)


def compose_run(overrides: list[str]) -> dict[str, Any]:
    """Compose the config of one run as plain containers."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        return plain(compose(ROOT, overrides))
