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
from fovea.bench.comparison import bar_chart
from fovea.bench.kernels import measure_kernels
from fovea.bench.profile import measure_profile
from fovea.bench.report import report_text
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
    """Measure the parts asked for, and write and print them with those measured before.

    Each part, and each network of a part, keeps the machine, the versions and the date that it was
    measured with.

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
    measured = _read(folder / "bench.json")
    with console(stderr=True).status("bench") as status:
        for part in parts or PARTS[:-1]:
            for result in _measure(
                part, networks, rounds, steps, batch_size, folder, status.update
            ):
                measured = _merged(measured, {part: result})
                _write(measured, folder)
    published = paths.experiment(EXPERIMENT)
    if publish and published is not None:
        before = _read(published / "bench.json")
        _write(_merged(before, measured), published, report="README.md")
    say(report_text(measured))
    say(folder / "bench.md")


def _merged(before: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return results with newer ones in their place: a part, or the networks of a part."""
    merged = dict(before)
    for part, result in measured.items():
        merged[part] = dict(result)
        if "networks" in result:
            kept = before.get(part, {}).get("networks", {})
            merged[part]["networks"] = kept | result["networks"]
    return merged


def _measure(
    part: str,
    networks: Sequence[str],
    rounds: int,
    steps: int,
    batch_size: int,
    folder: Path,
    progress: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    """Yield what a part or each of its networks measures, with where and when."""
    import torch

    threads = torch.get_num_threads()
    match part:
        case "training":
            for network in networks:
                result = measure_training(
                    network,
                    rounds=rounds,
                    steps=steps,
                    batch_size=batch_size,
                    threads=threads,
                    logs=folder,
                    progress=lambda text, network=network: progress(f"{network}: {text}"),
                )
                yield {"networks": {network: result | _measured_on()}}
        case "profile":
            for network in networks:
                config = configure([f"model={network}"], batch_size=batch_size, threads=threads)
                result = {"ms_per_step": measure_profile(config, threads)}
                yield {"networks": {network: result | _measured_on()}}
        case "kernels":
            yield measure_kernels(batch_size) | _measured_on()
        case "overhead":
            result = measure_overhead(
                rounds=rounds,
                batch_size=batch_size,
                threads=threads,
                logs=folder,
                progress=progress,
            )
            yield result | _measured_on()
        case "startup":
            yield measure_startup(rounds=rounds, progress=progress) | _measured_on()
        case "answers":
            yield measure_answers(rounds=rounds, progress=progress) | _measured_on()
        case "sweep":
            yield measure_sweep(runs=16, workers=2, progress=progress) | _measured_on()
        case _:
            references = folder / "reference"
            result = measure_accuracy(references, processes=os.cpu_count() or 1, progress=progress)
            yield result | _measured_on()


def _measured_on() -> dict[str, Any]:
    from fovea.training.tracking.environment import environment, uncommitted_diff

    return {"machine": environment(uncommitted_diff()), "date": date.today().isoformat()}


def _read(file: Path) -> dict[str, Any]:
    """Return the results in a file, less those that do not say where they were measured."""
    if not file.is_file():
        return {}
    remedy = "delete it to measure anew"
    measured = read_json(file, RecordError, remedy=remedy)
    if not isinstance(measured, dict):
        raise RecordError(f"{file}: not an object; {remedy}")
    known: dict[str, Any] = {}
    for part, result in measured.items():
        if "networks" in result:
            own = {name: each for name, each in result["networks"].items() if "machine" in each}
            known |= {part: {"networks": own}} if own else {}
        elif "machine" in result:
            known[part] = result
    return known


def _write(measured: Mapping[str, Any], folder: Path, report: str = "bench.md") -> None:
    write_atomic(folder / "bench.json", (json.dumps(measured, indent=1) + "\n").encode())
    write_atomic(folder / report, report_text(measured).encode())
    if "training" in measured:
        write_atomic(folder / "bench.png", bar_chart(measured["training"]))
