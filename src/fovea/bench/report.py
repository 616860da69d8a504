"""What the bench measured, as Markdown and as a bar chart. Nothing is measured here."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Any

from fovea.bench import NETWORKS
from fovea.tables.statistics import compare

PROGRAMS = {
    "guide": "guide's loop",
    "torchvision": "torchvision's manner",
    "template": "template's manner",
    "bare": "fovea's, no Lightning",
    "fovea": "fovea",
}

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


def markdown(measured: Mapping[str, Any]) -> str:
    """Return the report of whatever parts were measured."""
    sections = {
        "training": _training,
        "profile": _profile,
        "kernels": _kernels,
        "overhead": _overhead,
        "startup": _startup,
        "answers": _answers,
        "sweep": _sweep,
        "accuracy": _accuracy,
    }
    told = [write(measured[part]) for part, write in sections.items() if part in measured]
    return "\n".join([_HEADER, *told])


def bar_chart(training: Mapping[str, Any]) -> bytes:
    """Return a PNG: the speed of each program on each network, relative to the guide's loop."""
    from matplotlib.figure import Figure

    networks = training["networks"]
    figure = Figure(figsize=(8, 1 + 1.3 * len(networks)), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / len(PROGRAMS)
    for offset, (program, label) in enumerate(PROGRAMS.items()):
        values = [ratio(of, program, "guide") for of in networks.values()]
        middle = [value[0] for value in values]
        below = [max(0.0, ratio - low) for ratio, low, _ in values]
        above = [max(0.0, high - ratio) for ratio, _, high in values]
        places = [row + offset * height for row in range(len(networks))]
        axes.barh(places, middle, height, xerr=[below, above], label=label)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(networks))])
    axes.set_yticklabels([NETWORKS[name] for name in networks])
    axes.invert_yaxis()
    axes.set_xlabel("training images per second, relative to the guide's loop (range of rounds)")
    figure.legend(loc="outside upper center", ncols=len(PROGRAMS), fontsize="small")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()


def ratio(measured: Mapping[str, Any], program: str, other: str) -> tuple[float, float, float]:
    """Return the ratio of two programs' median speeds, and the smallest and largest of a round."""
    ours = measured["programs"][program]["images_per_second"]
    theirs = measured["programs"][other]["images_per_second"]
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    return median(ours) / median(theirs), min(rounds), max(rounds)


def difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float | None]:
    """Return the difference of two means and the half width of its 95 % interval (Welch's t).

    There is no interval where neither has any spread.
    """
    compared = compare(ours, theirs)
    assert compared is not None
    half = None if compared.high is None else compared.high - compared.difference
    return compared.difference, half


def _training(measured: Mapping[str, Any]) -> str:
    machine = measured["machine"]
    hardware, packages = machine["hardware"], machine["packages"]
    device = ", ".join(hardware["gpus"]) or f"{hardware['processor']}, {hardware['cores']} cores"
    head = (
        f"Machine: {device}, {machine['threads']} threads; torch {packages['torch']}, "
        f"pytorch-lightning {packages['pytorch-lightning']}; "
        f"commit {(machine['git']['sha'] or 'unknown')[:7]}; {measured['date']}.\n\n"
        "![Training speed relative to the guide's loop](bench.png)\n"
    )
    return "\n".join([head, *(_network(name, of) for name, of in measured["networks"].items())])


def _network(name: str, measured: Mapping[str, Any]) -> str:
    flops = measured["flops_per_image"]
    peak = measured["gemm_peak"]
    data = "random images" if measured["synthetic"] else "CIFAR-10"
    lines = [
        f"## {NETWORKS[name]}",
        "",
        f"{data}, batch {measured['batch_size']}; {measured['rounds']} rounds of "
        f"{measured['steps']} steps; {flops / 1e6:.0f} MFLOP an image. Matrix product peak: "
        + ", ".join(f"{value / 1e9:.0f} GFLOP/s in {key}" for key, value in peak.items())
        + ".",
        "",
        "| program | images/s | × guide's loop | share of peak | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for program, label in PROGRAMS.items():
        own = measured["programs"][program]
        speed = median(own["images_per_second"])
        middle, low, high = ratio(measured, program, "guide")
        precision = measured["precision"] if program in ("bare", "fovea") else "32"
        share = speed * flops / peak[precision]
        lines.append(
            f"| {label} | {speed:.0f} | {middle:.2f} ({low:.2f}–{high:.2f}) | "
            f"{share:.0%} ({precision}) | {own['peak_memory_mib'] / 1024:.1f} GiB |"
        )
    middle, low, high = ratio(measured, "fovea", "bare")
    lines += [
        "",
        f"fovea through Lightning at {middle:.3f} ({low:.3f}–{high:.3f}) of its own bare loop; "
        f"{measured['epoch_end_seconds']:.2f} s from one epoch to the next (checkpoint, history, "
        "W&B).",
        "",
    ]
    return "\n".join(lines)


def _profile(measured: Mapping[str, Any]) -> str:
    networks: Mapping[str, Mapping[str, float]] = measured["networks"]
    kinds = list(dict.fromkeys(kind for spent in networks.values() for kind in spent))
    kinds.sort(key=lambda kind: kind == "other")
    lines = [
        "## Where a step of fovea's loop spends its time",
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
    return "\n".join([*lines, ""])


def _kernels(measured: Mapping[str, Any]) -> str:
    layers = measured["layers"]
    kinds = list(layers[0]["flops_per_second"])
    lines = [
        "## Convolutions one by one",
        "",
        f"GFLOP/s in {measured['dtype']}, batch {measured['batch_size']}. The weight gradient as "
        "one product of the unfolded input (im2col) stands beside the library's, which fovea "
        "trains with.",
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
        f"({min(costs):.2f} to {max(costs):.2f}), amortised over the epoch.\n"
    )


def _startup(measured: Mapping[str, Any]) -> str:
    own, bare = measured["seconds"]["fovea"], measured["seconds"]["bare torch"]
    rounds = [a / b for a, b in zip(own, bare, strict=True)]
    return (
        "## From the start of the process to the first optimizer step\n\n"
        f"fovea {median(own):.1f} s, a script of torch alone {median(bare):.1f} s: "
        f"**{median(own) / median(bare):.2f}×** ({min(rounds):.2f}–{max(rounds):.2f}).\n"
    )


def _answers(measured: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {median(taken):.2f} s" for name, taken in measured["seconds"].items())
    return f"## At the prompt\n\n{told}.\n"


def _sweep(measured: Mapping[str, Any]) -> str:
    workers, fresh = (measured["seconds"][name] for name in ("workers", "fresh processes"))
    return (
        "## A sweep of short runs\n\n"
        f"{measured['runs']} runs: {workers:.0f} s in {measured['workers']} workers, {fresh:.0f} s "
        f"one after another in fresh processes: **{fresh / workers:.1f}×**.\n"
    )


def _accuracy(measured: Mapping[str, Any]) -> str:
    lines = [
        "## Accuracy must not pay for it",
        "",
        f"CIFAR-10 test accuracy after {measured['epochs']} epochs of the same recipe "
        "(`sweep.yaml`): `fovea train` beside float32, NCHW, one PIL image at a time.",
        "",
        "| network | fovea | reference | difference, 95 % interval |",
        "| --- | ---: | ---: | ---: |",
    ]
    for network, arms in measured["accuracy"].items():
        own, theirs = list(arms["fovea"].values()), list(arms["reference"].values())
        told = "too few runs"
        if len(own) > 1 and len(theirs) > 1:
            middle, half = difference(own, theirs)
            interval = "no spread" if half is None else f"± {100 * half:.2f} points"
            told = f"{100 * middle:+.2f} {interval}"
        lines.append(f"| {NETWORKS[network]} | {_mean(own)} | {_mean(theirs)} | {told} |")
    return "\n".join([*lines, ""])


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "not run"
    spread = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.2f}{spread} % (n = {len(values)})"
