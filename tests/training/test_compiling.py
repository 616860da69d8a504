"""What ``trainer.compile=auto`` becomes, what finding out costs, and what is left as it was."""

from __future__ import annotations

import json
import logging
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch._dynamo.utils import counters
from torch.func import functional_call

from fovea.config import paths
from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError
from fovea.models.features import feature_maps
from fovea.records import RunFolder
from fovea.training import compiling
from fovea.training.assemble import Lab, assemble, load_checkpoint, restore
from fovea.training.compiling import Choice, Timing, choose

LONG = ("epochs=100", "batch_size=16")  # 81 batches of digits an epoch
CPU = ("trainer.accelerator=cpu", "trainer.precision=32")
FASTER = Timing(eager_ms=200.0, compiled_ms=150.0, compile_seconds=40.0)


def choice(*overrides: str) -> Choice:
    config = compose_run([*LONG, *CPU, *overrides])
    return choose(config, assemble(config))


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What fovea itself logged."""
    return [each.message for each in caplog.records if each.name == compiling.__name__]


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Timing]:
    """A machine with a compiler, on which trials measure ``FASTER``; each is counted."""
    done: list[Timing] = []

    class FakeTrial:
        def __init__(self, lab: Lab, trainer: Trainer) -> None: ...

        def step(self) -> float:
            return FASTER.eager_ms / 1000

        def timing(self) -> Timing:
            done.append(FASTER)
            return FASTER

    monkeypatch.setattr(compiling, "_Trial", FakeTrial)
    monkeypatch.setattr(compiling, "require_compiler", lambda device: None)
    return done


@pytest.mark.parametrize(
    ("timing", "steps", "compile"),
    [
        (Timing(200, 150, 40), 4000, True),  # saves 200 s
        (Timing(200, 190, 40), 4000, False),  # saves 40 s, as long as it takes to compile
        (Timing(200, 189.9, 40), 4000, True),
        (Timing(200, 300, 1), 4000, False),
        (Timing(200, 100, 1), 2999, False),  # a run of less than ten minutes
        (Timing(200, 100, 1), 3000, True),
    ],
)
def test_compiled_where_it_saves_more_than_it_costs(
    timing: Timing, steps: int, compile: bool
) -> None:
    assert compiling._judge(timing, steps).compile is compile


def test_what_was_measured_is_told(trials: list[Timing], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told = "200.0 ms a step eager, 150.0 ms compiled, 40 s to compile"
    assert choice() == Choice(True, told)
    assert messages(caplog) == [f"trains compiled: {told}"]


def test_a_network_is_tried_once(trials: list[Timing]) -> None:
    assert choice() == choice("seed=1", "optimizer=sgd", "epochs=200")
    assert len(trials) == 1


@pytest.mark.parametrize(
    "other",
    [
        "model.hidden_sizes=[32]",
        "batch_size=15",
        "trainer.precision=bf16-mixed",
        "trainer.channels_last=false",
        "model=lenet5",
    ],
)
def test_another_network_or_setting_is_tried_anew(trials: list[Timing], other: str) -> None:
    choice()
    choice(other)
    assert len(trials) == len(list(paths.timings().iterdir())) == 2


def test_another_machine_or_torch_is_tried_anew(
    trials: list[Timing], monkeypatch: pytest.MonkeyPatch
) -> None:
    choice()
    monkeypatch.setattr(compiling, "processor", lambda: "another")
    choice()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    choice()
    monkeypatch.setattr(torch, "__version__", "99")
    choice()
    assert len(trials) == 4


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"eager_ms": "fast"}', "\x00"])
def test_damaged_timings_are_measured_anew(
    trials: list[Timing], content: str, caplog: pytest.LogCaptureFixture
) -> None:
    choice()
    (entry,) = paths.timings().iterdir()
    good = entry.read_bytes()
    entry.write_text(content)
    assert choice().compile
    assert len(trials) == 2
    assert entry.read_bytes() == good
    (warning,) = messages(caplog)
    assert warning.startswith(f"{entry}: damaged timings, measured anew (")


def test_timings_that_cannot_be_kept_are_done_without(
    trials: list[Timing],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "file" / "below"))
    assert choice().compile
    (warning,) = messages(caplog)
    assert "timings not kept (" in warning


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ("trainer.compile=false", "as asked"),
        ("epochs=6", "486 steps are too few to try it"),
        ("trainer.limit_batches=4", "400 steps are too few to try it"),
        ("trainer.devices=2", "auto compiles on one device only"),
        ("trainer.deterministic=true", "auto and deterministic exclude each other"),
    ],
)
def test_eager_with_nothing_timed(
    monkeypatch: pytest.MonkeyPatch, overrides: str, reason: str
) -> None:
    monkeypatch.setattr(compiling, "_trainer", pytest.fail)
    assert choice(overrides) == Choice(False, reason)


def test_a_short_run_takes_three_steps_to_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.9, 0.05, 0.06])  # the first is slow everywhere
    monkeypatch.setattr(compiling._Trial, "step", lambda trial: next(seconds))
    monkeypatch.setattr(compiling, "_compiled", pytest.fail)
    assert choice() == Choice(False, "405 s of training are too few to compile for")
    assert next(seconds, None) is None
    assert not paths.timings().exists()


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(compiling._Trial, "step", lambda trial: 1.0)


@pytest.mark.usefixtures("no_compiler")
def test_auto_without_a_compiler_is_eager(caplog: pytest.LogCaptureFixture) -> None:
    assert choice().compile is False
    assert messages(caplog) == [
        "trains eager: cannot compile: trainer.compile: no C++ compiler (no-such-compiler); "
        "install one and name it in $CXX, or set it to false"
    ]


@pytest.mark.usefixtures("no_compiler")
def test_true_without_a_compiler_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^trainer\.compile: no C\+\+ compiler .*false$"):
        choice("trainer.compile=true")


def test_what_does_not_compile_trains_eager(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such instruction\nand a long listing")

    monkeypatch.setattr(compiling, "require_compiler", lambda device: None)
    monkeypatch.setattr(compiling, "_LONG_SECONDS", 0.0)
    monkeypatch.setattr(torch, "compile", refuse)
    assert choice() == Choice(False, "cannot compile: no such instruction")
    assert messages(caplog) == ["trains eager: cannot compile: no such instruction"]
    assert not paths.timings().exists()


@pytest.fixture
def eager_compiler(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """``torch.compile`` that only notes the size of each batch it is given."""
    sizes: list[int] = []

    def compile(forward: Callable[[Tensor], Tensor], **_: object) -> Callable[[Tensor], Tensor]:
        def noted(images: Tensor) -> Tensor:
            sizes.append(len(images))
            return forward(images)

        return noted

    monkeypatch.setattr(torch, "compile", compile)
    monkeypatch.setattr(compiling, "require_compiler", lambda device: None)
    return sizes


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopwatch by which a compiled step takes a tenth of a second, and an eager one an hour."""
    seconds = iter([3600.0, 0.1])
    monkeypatch.setattr(compiling, "median", lambda times: next(seconds))
    monkeypatch.setattr(compiling, "_LONG_SECONDS", 0.0)


def state(lab: Lab) -> dict[str, Any]:
    task = lab.task
    return {
        "weights": {key: value.clone() for key, value in task.state_dict().items()},
        "grad": [weights.grad for weights in task.parameters()],
        "training": [module.training for module in task.modules()],
        "forward": "forward" in vars(task.model),
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1],
        "python": random.getstate(),
    }


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return one.equal(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


@pytest.mark.parametrize(
    "overrides",
    [
        "model=resnet model.depth=8",  # running statistics
        "model=resnet model.depth=8 trainer.precision=bf16-mixed trainer.channels_last=false",
        "model=mlp model.dropout=0.5 trainer.precision=64",  # random numbers
    ],
)
@pytest.mark.usefixtures("faster")
def test_a_trial_leaves_all_as_it_was(eager_compiler: list[int], overrides: str) -> None:
    config = compose_run([*LONG, *CPU, *overrides.split(), "batch_size=2"])
    lab = assemble(config)
    lab.data.setup()
    before = state(lab)
    assert choose(config, lab).compile
    assert same(state(lab), before)
    assert eager_compiler == [2] * 10
    (entry,) = paths.timings().iterdir()
    kept = json.loads(entry.read_text())
    assert kept["of"]["images"] == [2, 1, 8, 8]
    assert kept["compiled_ms"] == 100.0


@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
@pytest.mark.parametrize(
    ("share", "reason"),
    [
        (0.87, "compiled, the gradient of {name} is 13.0% off"),
        (0.995, "3600000.0 ms a step eager, 100.0 ms compiled, [0-9]+ s to compile"),
    ],
)
@pytest.mark.usefixtures("faster", "eager_compiler")
def test_a_wrong_gradient_is_found_beside_dropout_and_rounding(
    monkeypatch: pytest.MonkeyPatch, precision: str, share: float, reason: str
) -> None:
    names: list[str] = []

    def compile(forward: Any, **_: object) -> Callable[[Tensor], Any]:
        name, weights = next(forward.__self__.named_parameters())
        names.append(name)

        def wrong(images: Tensor) -> Any:
            passed = share * weights + (1 - share) * weights.detach()
            return functional_call(forward.__self__, {name: passed}, (images,))

        return wrong

    monkeypatch.setattr(torch, "compile", compile)
    overrides = ("model.dropout=0.5", f"trainer.precision={precision}")
    found = choice(*overrides)
    assert re.fullmatch(reason.format(name=re.escape(names[0])), found.reason)
    assert found.compile is (share > 0.99)
    assert choice(*overrides) == found  # from what was kept
    assert len(names) == 1


def test_full_training_batches_are_compiled_and_nothing_else(
    eager_compiler: list[int], trained: Callable[..., RunFolder]
) -> None:
    whole = ("batch_size=100", "trainer.limit_batches=null")
    run = trained(*whole, "trainer.compile=true")
    assert eager_compiler == [100] * 12  # of 1293 images, and none of the 93 left
    assert run.read("environment.json")["resolved"] == {
        "precision": "32",
        "strategy": "auto",
        "compile": True,
        "compile_reason": "as asked",
    }
    eager = trained(*whole, "trainer.compile=false")
    assert run.metrics == eager.metrics
    first, second = (load_checkpoint(each, "last")["state_dict"] for each in (run, eager))
    assert first.keys() == second.keys()
    assert all(first[key].equal(second[key]) for key in first)


def test_training_compiled_averages_and_restores(
    eager_compiler: list[int], trained: Callable[..., RunFolder]
) -> None:
    run = trained("trainer.compile=true", "trainer.ema_decay=0.5")
    assert len(eager_compiler) == 3
    model = restore(run)
    _, maps = feature_maps(model, torch.zeros(2, 1, 8, 8))
    assert maps.keys() == set(model.feature_layers)


@pytest.mark.usefixtures("faster")
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine")
def test_the_run_uses_what_the_trial_compiled(
    monkeypatch: pytest.MonkeyPatch, trained: Callable[..., RunFolder]
) -> None:
    monkeypatch.setattr(compiling, "_FEWEST_STEPS", 1)
    whole = ("batch_size=300", "trainer.limit_batches=null")
    compiled_before = counters["stats"]["unique_graphs"]
    run = trained(*whole, "trainer.compile=auto")
    # the trial's, to time it and to check it; nothing by the run, not for the last batch either
    assert counters["stats"]["unique_graphs"] == compiled_before + 2
    assert run.read("environment.json")["resolved"]["compile"] is True
    assert len(list(paths.timings().iterdir())) == 1
    eager = trained(*whole, "trainer.compile=false")
    assert run.metrics == pytest.approx(eager.metrics, rel=1e-4)
