"""What fovea adds to Hydra, which composes only: ``experiment=NAME``, resolvers, arms of sweeps.

Hydra imports this module at every start; nothing heavy belongs here.
"""

from __future__ import annotations

from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from fovea.config import paths
from fovea.config.experiment import check_experiment
from fovea.config.files import read_yaml


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


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="planning",
    node={"params": None, "arms": None},  # what fovea.sweep.plan reads; nothing is built of it
    provider="fovea",
)


OmegaConf.register_new_resolver("data_root", lambda: str(paths.data_root()), replace=True)
OmegaConf.register_new_resolver("outputs_root", lambda: str(paths.outputs()), replace=True)
