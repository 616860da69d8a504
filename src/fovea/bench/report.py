"""What the bench measured, as Markdown. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Any

from fovea.bench import NETWORKS
from fovea.bench.comparison import training_section
from fovea.bench.rounds import mean_difference, measured_on, warning

_HEADER = """\
# Speed: fovea beside other ways to write the same training

Written by `fovea bench --publish` from `bench.json`; a number here is a number there.

- **guide's loop**: in the manner of the Pinecone guide's notebook. Tensors made beforehand,
  float32.
- **torchvision's manner**: as its classification references. PIL transforms in two worker
  processes, float32, metrics read every step.
- **template's manner**: as lightning-hydra-template. PIL transforms, float32, torchmetrics every
  step.
- **fovea's, no Lightning**: fovea's loader, network, precision and optimizer in a plain loop.
- **fovea**: `fovea train` with its record, checkpoints, progress and W&B (offline) on.

The first three are our own code, written for this comparison. All programs run in processes of
their own and take turns; every ratio is of programs of one run, with the same number of threads.
"""


def report_text(measured: Mapping[str, Any]) -> str:
    """Return the report of whatever parts were measured."""
    sections = {
        "training": training_section,
        "profile": _profile,
        "kernels": _kernels,
        "overhead": _overhead,
        "startup": _startup,
        "answers": _answers,
        "sweep": _sweep,
        "accuracy": _accuracy,
    }
    texts = [write(measured[part]) for part, write in sections.items() if part in measured]
    return "\n".join([_HEADER, *texts])


def _profile(measured: Mapping[str, Any]) -> str:
    together: dict[str, dict[str, Mapping[str, float]]] = {}
    for name, of in measured["networks"].items():
        together.setdefault(measured_on(of), {})[name] = of["ms_per_step"]
    lines = ["## Where a step of fovea's loop spends its time", ""]
    for machine, networks in together.items():
        kinds = list(dict.fromkeys(kind for spent in networks.values() for kind in spent))
        kinds.sort(key=lambda kind: kind == "other")
        lines += [
            machine,
            "",
            "| ms a step | " + " | ".join(NETWORKS[name] for name in networks) + " |",
            "| --- |" + " ---: |" * len(networks),
        ]
        for kind in kinds:
            cells = [
                f"{spent.get(kind, 0):.1f} ({spent.get(kind, 0) / sum(spent.values()):.0%})"
                for spent in networks.values()
            ]
            lines.append(f"| {kind} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _kernels(measured: Mapping[str, Any]) -> str:
    layers = measured["layers"]
    kinds = list(layers[0]["flops_per_second"])
    lines = [
        "## Convolutions one by one",
        "",
        f"GFLOP/s in {measured['dtype']}, batch {measured['batch_size']}. The weight gradient as "
        "one product of the unfolded input (im2col) stands beside the library's, which fovea "
        f"trains with. {measured_on(measured)}",
        "",
        "| layer | " + " | ".join(kinds) + " |",
        "| --- |" + " ---: |" * len(kinds),
    ]
    for layer in layers:
        cells = [f"{value / 1e9:.0f}" for value in layer["flops_per_second"].values()]
        lines.append(f"| {layer['layer']} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _overhead(measured: Mapping[str, Any]) -> str:
    own, bare = measured["ms_per_step"]["fovea"], measured["ms_per_step"]["bare"]
    costs = [a - b for a, b in zip(own, bare, strict=True)]
    return (
        "## Lightning, logging and the ends of epochs\n\n"
        f"A network of one hidden layer of 16 on 8×8 images, batch {measured['batch_size']}, whole "
        "epochs of "
        f"{measured['steps']} steps: {median(own):.2f} ms a step in fovea, {median(bare):.2f} ms "
        f"in a bare loop; the difference within a round is **{median(costs):.2f} ms** a step "
        f"({min(costs):.2f} to {max(costs):.2f}), amortised over the epoch. "
        + _end(measured, measured["ms_per_step"])
    )


def _startup(measured: Mapping[str, Any]) -> str:
    own, bare = measured["seconds"]["fovea"], measured["seconds"]["bare torch"]
    rounds = [a / b for a, b in zip(own, bare, strict=True)]
    return (
        "## From the start of the process to the first optimizer step\n\n"
        f"fovea {median(own):.1f} s, a script of torch alone {median(bare):.1f} s: "
        f"**{median(own) / median(bare):.2f}×** ({min(rounds):.2f}–{max(rounds):.2f}). "
        + _end(measured, measured["seconds"])
    )


def _answers(measured: Mapping[str, Any]) -> str:
    seconds = measured["seconds"]
    text = ", ".join(f"{name} {median(taken):.2f} s" for name, taken in seconds.items())
    return f"## At the prompt\n\n{text}. {_end(measured, seconds)}"


def _sweep(measured: Mapping[str, Any]) -> str:
    workers, fresh = (measured["seconds"][name] for name in ("workers", "fresh processes"))
    return (
        "## A sweep of short runs\n\n"
        f"{measured['runs']} runs: {workers:.0f} s in {measured['workers']} workers, {fresh:.0f} s "
        f"one after another in fresh processes: **{fresh / workers:.1f}×**. "
        f"{measured_on(measured)}\n"
    )


def _accuracy(measured: Mapping[str, Any]) -> str:
    lines = [
        "## What speed costs in accuracy",
        "",
        f"CIFAR-10 test accuracy after {measured['epochs']} epochs of the same recipe "
        "(`sweep.yaml`): `fovea train` beside float32, NCHW, one PIL image at a time. "
        f"{measured_on(measured)}",
        "",
        "| network | fovea | reference | difference, 95 % interval |",
        "| --- | ---: | ---: | ---: |",
    ]
    for network, arms in measured["accuracy"].items():
        own, theirs = list(arms["fovea"].values()), list(arms["reference"].values())
        text = "too few runs"
        if len(own) > 1 and len(theirs) > 1:
            middle, half = mean_difference(own, theirs)
            interval = "no spread" if half is None else f"± {100 * half:.2f} points"
            text = f"{100 * middle:+.2f} {interval}"
        lines.append(f"| {NETWORKS[network]} | {_mean(own)} | {_mean(theirs)} | {text} |")
    return "\n".join([*lines, ""])


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "not run"
    spread = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.2f}{spread} % (n = {len(values)})"


def _end(measured: Mapping[str, Any], programs: Mapping[str, Sequence[float]]) -> str:
    return "\n".join([measured_on(measured), *warning(programs), ""])
