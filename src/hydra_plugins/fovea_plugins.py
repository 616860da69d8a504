"""What fovea adds to Hydra, which composes only: experiments, options, resolvers, arms of sweeps.

Hydra imports this module at every start; nothing heavy belongs here.
"""

from __future__ import annotations

from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from fovea.config import paths
from fovea.config.experiment import check_experiment, check_option
from fovea.config.files import read_yaml
from fovea.config.schema import GROUPS


class ExperimentSource(ConfigSource):
    """Finds ``experiment=NAME`` in ``experiments/NAME/sweep.yaml``.

    A sweep is composed at the root of the config and knows its own name: its file needs neither a
    ``@package`` line nor an ``experiment`` key. What it may set: ``fovea.config.experiment``.
    """

    @staticmethod
    def scheme() -> str:
        return "experiments"

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._name(config_path)
        folder = paths.experiment(name) if name else None
        if folder is None:
            raise ConfigLoadError(f"no experiment '{name}'")
        file = folder / "sweep.yaml"
        content = check_experiment(read_yaml(file, exponents=True, limit=100_000), file)
        config = OmegaConf.create({**content, "experiment": name})
        return ConfigResult(
            config=config,
            path=str(folder),
            provider=self.provider,
            header={"package": "_global_"},
        )

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path in ("", "experiment")

    def is_config(self, config_path: str) -> bool:
        name = self._name(config_path)
        return name is not None and paths.experiment(name) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "" and results_filter != ObjectType.CONFIG:
            return ["experiment"]
        if config_path == "experiment" and results_filter != ObjectType.GROUP:
            return paths.experiment_names()
        return []

    @staticmethod
    def _name(config_path: str) -> str | None:
        group, _, name = config_path.partition("/")
        return name.removesuffix(".yaml") if group == "experiment" and name else None


class OptionSource(ConfigSource):
    """Finds options in the working folder's ``conf``; fovea's own come first.

    They may be somebody else's: they hold values and the names of classes, and no interpolation but
    ``${data_root:}``.
    """

    @staticmethod
    def scheme() -> str:
        return "options"

    def load_config(self, config_path: str) -> ConfigResult:
        file = self._file(config_path)
        if file is None:
            raise ConfigLoadError(f"no option '{config_path}'")
        content = check_option(read_yaml(file, exponents=True, limit=100_000), file)
        return ConfigResult(
            config=OmegaConf.create(content),
            path=str(file.parent),
            provider=self.provider,
            header={"package": None},
        )

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        folder = paths.own_conf()
        return folder is not None and (config_path == "" or config_path in GROUPS)

    def is_config(self, config_path: str) -> bool:
        return self._file(config_path) is not None

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        folder = paths.own_conf()
        if folder is None or config_path not in GROUPS or results_filter == ObjectType.GROUP:
            return []
        return sorted(file.stem for file in (folder / config_path).glob("*.yaml"))

    @staticmethod
    def _file(config_path: str) -> Path | None:
        group, _, name = config_path.removesuffix(".yaml").partition("/")
        folder = paths.own_conf()
        if folder is None or group not in GROUPS or not name or "/" in name:
            return None
        file = folder / group / f"{name}.yaml"
        return file if file.is_file() else None


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="planning",
    node={"params": None, "arms": None},  # what fovea.sweep.plan reads; nothing is built of it
    provider="fovea",
)


OmegaConf.register_new_resolver("data_root", lambda: str(paths.data_root()), replace=True)
OmegaConf.register_new_resolver("outputs_root", lambda: str(paths.outputs()), replace=True)
