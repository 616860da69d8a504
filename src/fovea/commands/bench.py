"""``fovea bench``: training speed side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from fovea.bench import EXPERIMENT, PARTS
from fovea.bench.accuracy import measure_accuracy
from fovea.bench.commands import measure_answers, measure_startup, measure_sweep
from fovea.bench.kernels import measure_kernels
from fovea.bench.profile import measure_profile
from fovea.bench.report import bar_chart, markdown
from fovea.bench.speed import configure, measure_overhead, measure_training
from fovea.config import paths
from fovea.config.console import console
from fovea.config.errors import RecordError
from fovea.config.files import read_json
from fovea.config.printing import say
from fovea.records import write_atomic
from fovea.sweep.execute import require_writable


def run(
    parts: Sequence[str],
    networks: Sequence[str],
    rounds: int,
    steps: int,
    batch_size: int,
    threads: int | None,
    publish: bool,
) -> None:
    """Measure the parts asked for, and write and print what is known of all of them.

    Raises:
        ConfigError: the outputs cannot be written.
        RecordError: an earlier result cannot be read.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    require_writable(paths.outputs())
    folder = paths.outputs() / "bench"
    folder.mkdir(exist_ok=True)
    published = paths.experiment(EXPERIMENT)
    file = folder / "bench.json"
    measured = _read(file if file.is_file() else published and published / "bench.json")
    with console(stderr=True).status("bench") as status:
        for part in parts or PARTS[:-1]:
            known = measured.get(part, {})
            for told in _measure(
                part, known, networks, rounds, steps, batch_size, folder, status.update
            ):
                if "networks" in told:
                    earlier = measured.get(part, {}).get("networks", {})
                    told["networks"] = earlier | told["networks"]
                measured[part] = told | _machine()
                _write(measured, folder)
    if publish and published is not None:
        _write(measured, published, report="README.md")
    say(markdown(measured))
    say(folder / "bench.md")


def _measure(
    part: str,
    known: Mapping[str, Any],
    networks: Sequence[str],
    rounds: int,
    steps: int,
    batch_size: int,
    folder: Path,
    progress: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    """Yield what a part measures, network by network if it is of networks."""
    import torch

    threads = torch.get_num_threads()
    match part:
        case "training":
            for network in networks:
                told = measure_training(
                    network,
                    rounds=rounds,
                    steps=steps,
                    batch_size=batch_size,
                    threads=threads,
                    logs=folder,
                    progress=lambda text, network=network: progress(f"{network}: {text}"),
                )
                yield {"networks": {network: told}}
        case "profile":
            for network in networks:
                config = configure([f"model={network}"], batch_size=batch_size, threads=threads)
                yield {"networks": {network: measure_profile(config, threads)}}
        case "kernels":
            yield measure_kernels(batch_size)
        case "overhead":
            yield measure_overhead(
                rounds=rounds,
                batch_size=batch_size,
                threads=threads,
                logs=folder,
                progress=progress,
            )
        case "startup":
            yield measure_startup(rounds=rounds, progress=progress)
        case "answers":
            yield measure_answers(rounds=rounds, progress=progress)
        case "sweep":
            yield measure_sweep(runs=16, workers=2, progress=progress)
        case _:
            references = folder / "reference"
            yield measure_accuracy(
                references, known or None, processes=os.cpu_count() or 1, progress=progress
            )


def _machine() -> dict[str, Any]:
    from fovea.tracking.environment import environment, uncommitted_diff

    return {"machine": environment(uncommitted_diff()), "date": date.today().isoformat()}


def _read(file: Path | None) -> dict[str, Any]:
    if file is None or not file.is_file():
        return {}
    remedy = "delete it to measure anew"
    measured = read_json(file, RecordError, remedy=remedy)
    if not isinstance(measured, dict):
        raise RecordError(f"{file}: not an object; {remedy}")
    return measured


def _write(measured: Mapping[str, Any], folder: Path, report: str = "bench.md") -> None:
    write_atomic(folder / "bench.json", (json.dumps(measured, indent=1) + "\n").encode())
    write_atomic(folder / report, markdown(measured).encode())
    if "training" in measured:
        write_atomic(folder / "bench.png", bar_chart(measured["training"]))
