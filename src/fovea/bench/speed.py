"""Training speed, side by side: the programs take turns on each network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch

from fovea.bench.machine import gemm_peak, training_flops
from fovea.bench.programs import PROGRAMS
from fovea.bench.turns import Program, Turn
from fovea.config.build import build
from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError, DataError
from fovea.data.image.module import ImageData
from fovea.training.assemble import build_model
from fovea.training.compiling import require_compiler
from fovea.training.settings import TrainerSettings

_RECIPE = ["augment=flip_crop", "optimizer=sgd", "schedule=one_cycle", "data.val_fraction=0"]
_TINY = ["model=mlp", "model.hidden_sizes=[16]"]
_UNCHANGED = {"_target_": "fovea.augment.none.Identity"}
_SYNTHETIC = {"_target_": "fovea.bench.synthetic.Synthetic"}
_PEAKS = {"bf16-mixed": torch.bfloat16, "32": torch.float32}


def measure_training(
    network: str,
    *,
    rounds: int,
    steps: int,
    batch_size: int,
    threads: int,
    logs: Path,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Let every program train a network in turns of ``steps`` timed steps.

    Returns:
        Images per second of every turn and peak memory (MiB) of each program, seconds that
        fovea takes from one epoch to the next and to compile, FLOPs per image, the machine's peaks
        in FLOP/s: the best of all rounds. Without a compiler, ``not_measured`` has the reason.
    """
    warmup = max(steps // 5, 1)
    config = configure([f"model={network}"], batch_size=batch_size, threads=threads)
    # An epoch ends just after the counted turns; one turn more tells what that costs.
    limit = (1 + rounds) * (warmup + steps) + 1
    programs = dict(PROGRAMS)
    missing: dict[str, str] = {}
    try:
        require_compiler(_device())
    except ConfigError as error:
        del programs["compiled"]
        missing["compiled"] = str(error)
    peaks: list[dict[str, float]] = []
    with _started(programs, config, warmup, steps, limit, threads, logs) as running:
        turns = take_turns(
            running,
            rounds=rounds,
            threads=threads,
            progress=progress,
            after_round=lambda: peaks.append(_peaks(config)),
        )
        after = running["fovea"].turn()
    step_seconds = median(turn.seconds / steps for turn in turns["fovea"])
    first = {name: taken[0].first_step_seconds for name, taken in turns.items()}
    data: ImageData = build("data", config["data"])
    model, inputs = build_model(config["model"], data.offers)
    return {
        "rounds": rounds,
        "steps": steps,
        "batch_size": batch_size,
        "synthetic": config["data"]["source"] == _SYNTHETIC,
        "flops_per_image": training_flops(model, inputs["in_channels"], inputs["image_size"]),
        "gemm_peak": {name: max(peak[name] for peak in peaks) for name in peaks[0]},
        "precision": _settings(config).resolved_precision,
        "epoch_end_seconds": after.epoch_ends[-1] - step_seconds,
        "compile_seconds": first["compiled"] - first["fovea"] if "compiled" in first else None,
        "not_measured": missing,
        "programs": {
            name: {
                "images_per_second": [turn.images / turn.seconds for turn in taken],
                "peak_memory_mib": max(turn.peak_memory_mib for turn in taken),
            }
            for name, taken in turns.items()
        },
    }


def measure_overhead(
    *, rounds: int, batch_size: int, threads: int, logs: Path, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Time whole epochs of a network so small that the loop around it is what is measured.

    Every turn is one epoch and holds one end of an epoch: metrics, checkpoint, history and W&B.

    Returns:
        Milliseconds per step of every turn, in fovea and in a bare loop.
    """
    config = configure(_TINY, batch_size=batch_size, threads=threads)
    config |= {"epochs": rounds + 3, "augment": _UNCHANGED}
    config["data"]["source"] = _SYNTHETIC | {"image_size": 8, "channels": 1}
    data: ImageData = build("data", config["data"])
    data.setup()
    steps = data.sizes["train"] // batch_size
    programs = {name: PROGRAMS[name] for name in ("bare", "fovea")}
    with _started(programs, config, 0, steps, steps, threads, logs) as running:
        turns = take_turns(running, rounds=rounds, threads=threads, progress=progress)
    return {
        "rounds": rounds,
        "steps": steps,
        "batch_size": batch_size,
        "ms_per_step": {
            name: [1000 * turn.seconds / steps for turn in taken] for name, taken in turns.items()
        },
    }


def configure(network: Sequence[str], *, batch_size: int, threads: int) -> dict[str, Any]:
    """Return the config that every program trains: CIFAR-10, or random images of its shape.

    Args:
        network: the overrides that choose it.
        batch_size: images per step.
        threads: of torch.
    """
    chosen = [
        "data=cifar10",
        *_RECIPE,
        *network,
        f"batch_size={batch_size}",
        f"trainer.threads={threads}",
    ]
    config = compose_run(chosen)
    try:
        _ = build("data", config["data"]).spec
    except DataError:
        config["data"]["source"] = _SYNTHETIC
    return config


def take_turns(
    running: Mapping[str, Program],
    *,
    rounds: int,
    threads: int,
    progress: Callable[[str], None],
    after_round: Callable[[], None] = lambda: None,
) -> dict[str, list[Turn]]:
    """Give every program its turn, ``rounds`` times; a round before the first is not counted.

    Args:
        running: the programs by name.
        rounds: counted turns of each.
        threads: torch's in each program.
        progress: receives the program whose turn it is.
        after_round: called after each round, while all programs wait.

    Raises:
        ConfigError: a program runs with another number of threads: the comparison would be void.
        RuntimeError: a program failed.
    """
    turns: dict[str, list[Turn]] = {name: [] for name in running}
    for number in range(1 + rounds):
        for name, program in running.items():
            progress(f"round {number} of {rounds}: {name}" if number else f"warm-up: {name}")
            turn = program.turn()
            if turn.threads != threads:
                raise ConfigError(
                    f"{name} trains with {turn.threads} threads where --threads={threads}: "
                    "nothing to compare; unset OMP_NUM_THREADS or set it to the same"
                )
            turns[name].append(turn)
        after_round()
    return {name: taken[1:] for name, taken in turns.items()}


@contextmanager
def _started(
    programs: Mapping[str, Callable[..., None]],
    config: Mapping[str, Any],
    warmup: int,
    steps: int,
    limit: int,
    threads: int,
    logs: Path,
) -> Iterator[dict[str, Program]]:
    running: dict[str, Program] = {}
    try:
        for name, train in programs.items():
            log = logs / f"{name}.log"
            running[name] = Program(
                train,
                (config,),
                warmup=warmup,
                steps=steps,
                limit=limit,
                threads=threads,
                log=log,
            )
        yield running
    finally:
        for program in running.values():
            program.stop()


def _peaks(config: Mapping[str, Any]) -> dict[str, float]:
    settings = _settings(config)
    return {
        name: gemm_peak(dtype, _device())
        for name, dtype in _PEAKS.items()
        if name in ("32", settings.resolved_precision)
    }


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _settings(config: Mapping[str, Any]) -> TrainerSettings:
    return build("trainer", config["trainer"])
