"""What fovea adds to Hydra: ``experiment=NAME``, resolvers, a sweeper that plans, and workers.

Hydra imports this module at every start, in worker processes too; nothing heavy belongs here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from hydra import version
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from fovea.config import paths
from fovea.config.build import build
from fovea.config.compose import plain
from fovea.config.experiment import check_experiment
from fovea.config.files import read_yaml
from fovea.config.identity import is_scientific, run_id
from fovea.config.printing import say
from fovea.launchers import Launcher
from fovea.workers import NotDoneError, portable, run_in_workers


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


class PlanningSweeper(BasicSweeper):
    """Composes and validates every run of a sweep before the first one starts.

    Args:
        max_batch_size, params: Hydra's.
        arms: named sets of overrides that go together; the grid of ``params`` is swept in each.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: Any = None,
        arms: DictConfig | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.arms = arms

    def sweep(self, arguments: list[str]) -> Any:
        from fovea.sweep.execute import execute
        from fovea.sweep.plan import grid_of, plan

        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        loader = self.hydra_context.config_loader
        params, arms = grid_of(self.config)
        runs = plan(loader, self.config, [*params, *arguments], arms)

        def launch(jobs: Sequence[Sequence[str]]) -> Sequence[Any]:
            assert self.launcher is not None
            return self.launcher.launch(jobs, initial_job_idx=0)

        execute(runs, launch, changed=changes_cells(arguments))


def changes_cells(arguments: Sequence[str]) -> bool:
    """Return whether overrides make other cells of an experiment; other seeds fill the same."""
    keys = [re.split("[=@]", each.lstrip("+~"))[0] for each in arguments]
    return any(is_scientific(key) and key != "seed" for key in keys)


class WorkersLauncher(BasicLauncher):
    """Launches runs as the ``launcher`` config group says: in worker processes, or in this one."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        assert self.hydra_context is not None
        assert self.task_function is not None
        assert self.config is not None
        node = OmegaConf.to_container(self.config.launcher, resolve=True)
        launcher: Launcher = build("launcher", cast(dict[str, Any], node))
        environments = launcher.environments(len(job_overrides), self.config.trainer)
        stops = self.config.stop_on_failure
        if not environments:
            return self._one_after_another(job_overrides, initial_job_idx, stops)
        threads = environments[0]["OMP_NUM_THREADS"]
        sizes = f"{len(job_overrides)} runs in {len(environments)} workers"
        say(f"{sizes}, CPU threads: {threads}")
        outcomes = run_in_workers(
            partial(_launch_one, self.hydra_context, self.task_function, self.config),
            list(enumerate(job_overrides, initial_job_idx)),
            environments,
            lambda outcome: stops and _failed(outcome),
        )
        return [
            outcome
            if isinstance(outcome, JobReturn)
            else JobReturn(overrides=overrides, status=JobStatus.FAILED, _return_value=outcome)
            for overrides, outcome in zip(job_overrides, outcomes, strict=True)
        ]

    def _one_after_another(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int, stops: bool
    ) -> Sequence[JobReturn]:
        done: list[JobReturn] = []
        for index, overrides in enumerate(job_overrides, initial_job_idx):
            if stops and any(map(_failed, done)):
                status, reason = JobStatus.FAILED, NotDoneError()
                done.append(JobReturn(overrides=overrides, status=status, _return_value=reason))
            else:
                done += super().launch([overrides], index)
        return done


def _failed(outcome: object) -> bool:
    return not isinstance(outcome, JobReturn) or outcome.status == JobStatus.FAILED


def _launch_one(
    context: HydraContext,
    function: TaskFunction,
    config: DictConfig,
    job: tuple[int, Sequence[str]],
) -> JobReturn:
    """Launch one run in a worker process as Hydra does in this one."""
    version.setbase("1.3")
    Plugins.instance()
    index, overrides = job
    launcher = BasicLauncher()
    launcher.setup(hydra_context=context, task_function=function, config=config)
    (done,) = launcher.launch([overrides], index)
    value = done._return_value
    return JobReturn(
        overrides=overrides,
        status=done.status,
        _return_value=portable(value) if isinstance(value, Exception) else value,
    )


ConfigStore.instance().store(
    group="hydra/launcher",
    name="workers",
    node={"_target_": f"{__name__}.WorkersLauncher"},
    provider="fovea",
)
ConfigStore.instance().store(
    group="hydra/sweeper",
    name="planning",
    node={
        "_target_": f"{__name__}.PlanningSweeper",
        "max_batch_size": None,
        "params": None,
        "arms": None,
    },
    provider="fovea",
)


def _run_id(_root_: DictConfig) -> str:
    return run_id(plain(_root_))


OmegaConf.register_new_resolver("run_id", _run_id, replace=True)
OmegaConf.register_new_resolver("data_root", lambda: str(paths.data_root()), replace=True)
OmegaConf.register_new_resolver("outputs_root", lambda: str(paths.outputs()), replace=True)
