"""What ``trainer.compile=true`` compiles, and what is left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch._dynamo.utils import counters
from torch.fx import GraphModule

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.problems.classification.task import Classification
from fovea.records import RunFolder
from fovea.training.assemble import load_checkpoint, restore
from fovea.training.evaluate import evaluate
from fovea.training.predict import predict
from fovea.training.train import train

TRAIN = 1293  # images of digits


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let Dynamo capture as it does, and run what it captured eager.

    Returns:
        The batch sizes that were compiled for.
    """
    sizes: list[int] = []
    compile = torch.compile

    def backend(graph: GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        sizes.append(next(len(each) for each in inputs if each.dim() == 4))  # images
        return graph.forward

    def captured(*args: Any, mode: str | None = None, **kwargs: Any) -> Any:
        return compile(*args, **kwargs, backend=backend)

    monkeypatch.setattr(torch, "compile", captured)
    monkeypatch.setattr("fovea.training.train.require_compiler", lambda device: None)
    yield sizes
    torch.compiler.reset()


def same_weights(one: RunFolder, other: RunFolder) -> bool:
    first, second = (load_checkpoint(each, "last")["state_dict"] for each in (one, other))
    return first.keys() == second.keys() and all(first[key].equal(second[key]) for key in first)


def test_training_steps_are_compiled_and_nothing_else(
    graphs: list[int], trained: Callable[..., RunFolder]
) -> None:
    whole = ("epochs=2", "batch_size=100", "trainer.limit_batches=null")
    run = trained(*whole, "trainer.compile=true")
    assert graphs == [100, TRAIN % 100]
    assert run.read("environment.json")["resolved"]["compile"] is True
    eager = trained(*whole)
    assert eager.read("environment.json")["resolved"]["compile"] is False
    assert run.metrics.keys() == eager.metrics.keys()
    assert run.metrics == eager.metrics
    assert same_weights(run, eager)


def test_averages_are_tested_and_restored(
    graphs: list[int], trained: Callable[..., RunFolder]
) -> None:
    run = trained("trainer.compile=true", "trainer.ema_decay=0.5")
    assert graphs == [16]
    assert restore(run)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_a_failure_leaves_the_process_as_it_was(
    graphs: list[int], trained: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("in validation, which is eager")

    monkeypatch.setattr(Classification, "validation_step", fail)
    with pytest.raises(RuntimeError, match="in validation"):
        trained("trainer.compile=true")
    double = torch.compile(lambda images: 2 * images)
    assert double(torch.ones(3, 1, 1, 1)).sum() == 6
    assert graphs == [16, 3]


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_nothing_is_recorded(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "0123456789ab")
    config = compose_run(["trainer.compile=true", "tracking=csv"])
    with pytest.raises(ConfigError, match=r"^trainer\.compile: no C\+\+ compiler .*false$"):
        train(config, run, {"model": "mlp", "data": "digits"})
    assert not run.path.exists()


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine")
def test_inductor_trains_to_the_same_metrics(trained: Callable[..., RunFolder]) -> None:
    whole = (f"batch_size={TRAIN // 3}", "trainer.limit_batches=null")
    before = counters["stats"]["unique_graphs"]
    run = trained(*whole, "trainer.compile=true")
    assert counters["stats"]["unique_graphs"] == before + 1
    assert run.metrics == pytest.approx(trained(*whole).metrics, rel=1e-4)


def test_a_record_of_the_former_auto_is_read(
    trained: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = trained()
    config, environment = run.config, run.read("environment.json")
    run.write("config.yaml", config | {"trainer": config["trainer"] | {"compile": "auto"}})
    environment["resolved"]["compile_reason"] = "3 steps are too few to try it"
    run.write("environment.json", environment)
    run = RunFolder(run.path)
    assert run.config["trainer"]["compile"] == "auto"
    tested = evaluate(run)
    assert tested == {key: run.metrics[key] for key in tested}
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(tmp_path / "black.png")
    predicted = predict(run, [str(tmp_path / "black.png")])
    assert predicted.predictions.rows["probabilities"].shape == (1, 10)
