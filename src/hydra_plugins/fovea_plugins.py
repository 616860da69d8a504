"""What fovea adds to Hydra: ``experiment=NAME``, its resolvers, and a sweeper that plans first.

Hydra imports this module at every start, in worker processes too; nothing heavy belongs here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf

from fovea.config import paths
from fovea.config.compose import plain
from fovea.config.identity import is_scientific, run_id


class ExperimentSource(ConfigSource):
    """Finds ``experiment=NAME`` in ``experiments/NAME/sweep.yaml``.

    A sweep is composed at the root of the config and knows its own name: its file needs neither a
    ``@package`` line nor an ``experiment`` key.
    """

    @staticmethod
    def scheme() -> str:
        return "experiments"

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._name(config_path)
        folder = paths.experiment(name) if name else None
        if folder is None:
            raise ConfigLoadError(f"no experiment '{name}'")
        config = OmegaConf.load(folder / "sweep.yaml")
        OmegaConf.update(config, "experiment", name)
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


class PlanningSweeper(BasicSweeper):
    """Composes and validates every run of a sweep before the first one starts."""

    def sweep(self, arguments: list[str]) -> Any:
        from fovea.sweep import execute, plan

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        loader = self.hydra_context.config_loader
        runs = plan(loader, self.config, [*self._parse_config(), *arguments])

        def launch(jobs: Sequence[Sequence[str]]) -> Sequence[Any]:
            assert self.launcher is not None
            return self.launcher.launch(jobs, initial_job_idx=0)

        changed = any(is_scientific(re.split("[=@]", each.lstrip("+~"))[0]) for each in arguments)
        execute(runs, launch, changed=changed)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="planning",
    node={
        "_target_": f"{__name__}.PlanningSweeper",
        "max_batch_size": None,
        "params": None,
    },
    provider="fovea",
)


def _run_id(_root_: DictConfig) -> str:
    return run_id(plain(_root_))


OmegaConf.register_new_resolver("run_id", _run_id, replace=True)
OmegaConf.register_new_resolver("data_root", lambda: str(paths.data_root()), replace=True)
OmegaConf.register_new_resolver("outputs_root", lambda: str(paths.outputs()), replace=True)
