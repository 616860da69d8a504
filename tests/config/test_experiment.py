"""What an experiment's file may set."""

from __future__ import annotations

from pathlib import Path

import pytest

from fovea.config import paths
from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.config.experiment import check_experiment
from fovea.config.files import read_yaml
from fovea.sweep.plan import plan_experiment

PLACE = "experiments/x/sweep.yaml: "
ALLOWED = """
defaults:
  - override /data: digits
  - override /probe: null
  - _self_
epochs: 3
model: {hidden_sizes: [8], dropout: 0}
tracking: {tags: [mine], project: claims}
hydra:
  sweeper:
    params: {seed: "0,1", model: mlp, +model.note: null, tracking.tags: "[a]"}
    arms: {slow: {optimizer.lr: "0.001,0.003"}, fast: {optimizer: sgd}}
"""
REFUSED = [
    ("rerun: true", "rerun: not an experiment's to set; add rerun=… to the command"),
    ("outputs: /tmp", "outputs: not an experiment's to set; add outputs=… to the command"),
    ("dry_run: true", "dry_run: not an experiment's to set"),
    ("skip_published: true", "skip_published: not an experiment's to set"),
    ("stop_on_failure: true", "stop_on_failure: not an experiment's to set"),
    ("experiment: other", "experiment: not an experiment's to set"),
    ("launcher: {_target_: torch.hub.load}", "launcher: not an experiment's to set"),
    ("launcher.workers: 4", "launcher.workers: not an experiment's to set"),
    ("epoch: 3", "epoch: unknown key; did you mean 'epochs'? (known: seed, epochs, "),
    ("trust: [evil]", "trust: unknown key"),
    ("tracking: {mode: online}", "tracking.mode: of tracking an experiment sets tags and project"),
    ("tracking: {entity: them}", "tracking.entity: of tracking an experiment sets"),
    ("tracking: {_target_: evil.Tracker}", "tracking._target_: of tracking an experiment sets"),
    ("tracking: csv", "tracking: of tracking an experiment sets"),
    ("hydra: {sweep: {dir: /}}", "hydra.sweep: of hydra an experiment sets hydra.sweeper.params"),
    ("hydra: {run: {dir: /}}", "hydra.run: of hydra an experiment sets"),
    ("hydra: {mode: RUN}", "hydra.mode: of hydra an experiment sets"),
    ("hydra: {callbacks: {a: {_target_: torch.hub.load}}}", "hydra.callbacks: of hydra"),
    ("hydra: {searchpath: [file:///tmp]}", "hydra.searchpath: of hydra an experiment sets"),
    ("hydra: {job: {env_set: {A: b}}}", "hydra.job: of hydra an experiment sets"),
    ("hydra: {launcher: {_target_: evil.L}}", "hydra.launcher: of hydra an experiment sets"),
    ("hydra: {sweeper: {_target_: evil.S}}", "hydra.sweeper._target_: of hydra an experiment sets"),
    ("hydra: all", "hydra.all: of hydra an experiment sets"),
    ("hydra: {sweeper: {params: [a]}}", "hydra.sweeper.params: not a mapping"),
    ("hydra: {sweeper: {arms: [a]}}", "hydra.sweeper.arms: not a mapping"),
    ("hydra: {sweeper: {arms: {a: b}}}", "hydra.sweeper.arms.a: not a mapping"),
    ("hydra: {sweeper: {params: {outputs: /tmp}}}", "hydra.sweeper.params: outputs: not an exp"),
    ("hydra: {sweeper: {params: {++rerun: true}}}", "hydra.sweeper.params: rerun: not an exp"),
    ("hydra: {sweeper: {params: {hydra.sweep.dir: /}}}", "hydra.sweeper.params: hydra.sweep.dir: "),
    ("hydra: {sweeper: {params: {hydra/launcher: basic}}}", "'hydra/launcher': not a config key"),
    ("hydra: {sweeper: {params: {model@hydra: mlp}}}", "'model@hydra': not a config key"),
    ("hydra: {sweeper: {params: {'seed=0 outputs': 1}}}", "'seed=0 outputs': not a config key"),
    ("hydra: {sweeper: {params: {experiment: other}}}", "params: experiment: not an experiment's"),
    ("hydra: {sweeper: {params: {model: ../../experiments/x/m}}}", "not the name of an option"),
    ("hydra: {sweeper: {arms: {a: {launcher: workers}}}}", "arms.a: launcher: not an experiment's"),
    ("hydra: {sweeper: {arms: {a: {+tracking.entity: x}}}}", "arms.a: tracking.entity: of track"),
    ("hydra: {sweeper: {arms: {a: {tracking: csv}}}}", "arms.a: tracking: of tracking"),
    ("defaults: [override /launcher: workers]", "an experiment chooses options of data, model"),
    ("defaults: [override /tracking: csv]", "an experiment chooses options of"),
    ("defaults: [override hydra/launcher: basic]", "an experiment chooses options of"),
    ("defaults: [/data: cifar10]", "an experiment chooses options of"),
    ("defaults: [override data: cifar10]", "an experiment chooses options of"),
    ("defaults: [override /data@hydra: cifar10]", "an experiment chooses options of"),
    ("defaults: [evil]", "an experiment chooses options of"),
    ("defaults: [override /data: ../../x]", "'../../x': not the name of an option"),
    ("defaults: [override /data: [a, b]]", "not the name of an option"),
    ("defaults: all", "defaults: not a list"),
    ("[a]", "not a mapping of config keys"),
]
INTERPOLATED = [
    "data: {root: '${oc.env:SECRET}'}",
    "model: {note: ['${oc.decode:${oc.env:SECRET}}']}",
    "'${oc.env:SECRET}': 1",
    "model: {'${oc.env:SECRET}': 1}",
    "defaults: ['override /data: ${oc.env:SECRET}']",
    "defaults: [override /data: '${oc.env:SECRET}']",
    "tracking: {tags: ['${oc.env:SECRET}']}",
    "hydra: {sweeper: {params: {model.note: '${oc.env:SECRET}'}}}",
    "hydra: {sweeper: {params: {'${oc.env:SECRET}': 1}}}",
    "hydra: {sweeper: {arms: {'${oc.env:SECRET}': {seed: 0}}}}",
    "hydra: {sweeper: {arms: {a: {seed: '0,${oc.env:SECRET}'}}}}",
    "{model: {note: '{oc.env:SECRET}', odd: '$${model.note}'}}",  # put together in two steps
    "{model: {note: oc.env, odd: '${${model.note}:SECRET}'}}",
    "model: {note: '${outputs}'}",
    "model: {note: '\\${oc.env:SECRET}'}",
]


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment ``x`` of the working folder, and a variable that nothing may show."""
    folder = tmp_path / "experiments" / "x"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "canary")
    return folder / "sweep.yaml"


def refusal(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        plan_experiment("x")
    told = str(error.value)
    assert told.startswith(PLACE)
    assert len(told) <= 300
    assert "canary" not in told
    return told


def test_what_an_experiment_is_for(experiment: Path) -> None:
    experiment.write_text(ALLOWED.replace("+model.note: null, ", ""))
    runs = plan_experiment("x")
    assert len(runs) == 2 * (2 + 1)
    assert {run.config["tracking"]["project"] for run in runs} == {"claims"}
    assert {run.config["epochs"] for run in runs} == {3}
    check_experiment(read_yaml(experiment), experiment)
    experiment.write_text(ALLOWED)
    check_experiment(read_yaml(experiment), experiment)


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_it_is_not_for(text: str, reason: str, experiment: Path) -> None:
    assert reason in refusal(experiment, text)


@pytest.mark.parametrize("text", INTERPOLATED)
def test_no_interpolation(text: str, experiment: Path) -> None:
    assert "an experiment holds values, no interpolations" in refusal(experiment, text)


def test_lines_stay_short_and_printable(experiment: Path) -> None:
    for text in (f"{'e' * 400}: 1", f"hydra: {{{'e' * 400}: 1}}", f"defaults: [{'e' * 400}]"):
        assert refusal(experiment, text).isprintable()
    assert "?[2J" in refusal(experiment, '"\\e[2J": 1')


def test_an_empty_file_is_one_run(experiment: Path) -> None:
    experiment.write_text("# nothing\n")
    assert len(plan_experiment("x")) == 1


@pytest.mark.parametrize("name", paths.experiment_names())
def test_foveas_own_hold_to_it(name: str) -> None:
    folder = paths.experiment(name)
    assert folder is not None
    file = folder / "sweep.yaml"
    assert check_experiment(read_yaml(file, exponents=True), file)


def test_a_command_may_choose_what_an_experiment_may_not(experiment: Path) -> None:
    experiment.write_text("epochs: 1\n")
    config = compose_run(["experiment=x", "launcher=inline", "tracking=csv", "rerun=true"])
    assert config["launcher"] == {"_target_": "fovea.sweep.launchers.Inline"}
