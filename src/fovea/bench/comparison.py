"""Training speed side by side, as Markdown and as a bar chart. Nothing is measured here."""

from __future__ import annotations

import io
from collections.abc import Mapping
from statistics import median
from typing import Any

from fovea.bench import NETWORKS
from fovea.bench.rounds import contended, measured_on, median_ratio, warning

PROGRAMS = {
    "guide": "guide's loop",
    "torchvision": "torchvision's manner",
    "template": "template's manner",
    "bare": "fovea's, no Lightning",
    "fovea": "fovea",
    "compiled": "fovea, compiled",
}
_FOVEA = ("bare", "fovea", "compiled")


def training_section(measured: Mapping[str, Any]) -> str:
    """Return the chart's place, and a table for each network."""
    head = "![Training speed relative to the guide's loop](bench.png)\n"
    return "\n".join([head, *(_network(name, of) for name, of in measured["networks"].items())])


def bar_chart(training: Mapping[str, Any]) -> bytes:
    """Return a PNG: the speed of each program on each network, relative to the guide's loop.

    A program that was not measured on every network is left out.
    """
    from matplotlib.figure import Figure

    networks = training["networks"]
    shown = {
        program: label
        for program, label in PROGRAMS.items()
        if all(program in of["programs"] for of in networks.values())
    }
    figure = Figure(figsize=(8, 1 + 1.3 * len(networks)), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / len(shown)
    for offset, (program, label) in enumerate(shown.items()):
        values = [median_ratio(of, program, "guide") for of in networks.values()]
        middle = [value[0] for value in values]
        below = [max(0.0, middle - low) for middle, low, _ in values]
        above = [max(0.0, high - middle) for middle, _, high in values]
        places = [row + offset * height for row in range(len(networks))]
        axes.barh(places, middle, height, xerr=[below, above], label=label)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(networks))])
    axes.set_yticklabels([NETWORKS[name] for name in networks])
    axes.invert_yaxis()
    axes.set_xlabel("training images per second, relative to the guide's loop (range of rounds)")
    figure.legend(loc="outside upper center", ncols=3, fontsize="small")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()


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
        + f". {measured_on(measured)}",
        "",
        "| program | images/s | × guide's loop | share of peak | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    programs = {key: measured["programs"][key] for key in PROGRAMS if key in measured["programs"]}
    for program, own in programs.items():
        rounds = own["images_per_second"]
        speed = median(rounds)
        mark = " (contended)" if contended(rounds) else ""
        middle, low, high = median_ratio(measured, program, "guide")
        precision = measured["precision"] if program in _FOVEA else "32"
        share = speed * flops / peak[precision]
        lines.append(
            f"| {PROGRAMS[program]} | {speed:.0f}{mark} | {middle:.2f} ({low:.2f}–{high:.2f}) | "
            f"{share:.0%} ({precision}) | {own['peak_memory_mib'] / 1024:.1f} GiB |"
        )
    rounds = {PROGRAMS[key]: own["images_per_second"] for key, own in programs.items()}
    middle, low, high = median_ratio(measured, "fovea", "bare")
    text = (
        f"fovea through Lightning at {middle:.3f} ({low:.3f}–{high:.3f}) of its own bare loop; "
        f"{measured['epoch_end_seconds']:.2f} s from one epoch to the next (checkpoint, history, "
        "W&B)."
    )
    if "compiled" in programs:
        middle, low, high = median_ratio(measured, "compiled", "fovea")
        text += (
            f" Compiled, it trains at {middle:.2f} ({low:.2f}–{high:.2f}) of its eager speed, "
            f"after compiling for {measured['compile_seconds']:.0f} s."
        )
    missing = measured.get("not_measured", {}).items()
    text += "".join(f" Not measured: {PROGRAMS[key]} ({reason})." for key, reason in missing)
    return "\n".join([*lines, *warning(rounds), "", text, ""])
