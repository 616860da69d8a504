"""The report of a bench: its arithmetic by hand, and the published one against its numbers."""

from __future__ import annotations

import json

import pytest

from fovea.bench.comparison import bar_chart
from fovea.bench.report import report_text
from fovea.bench.rounds import contended, mean_difference, median_ratio
from fovea.config import paths

ABACUS = {
    "machine": {
        "hardware": {"gpus": [], "processor": "abacus", "cores": 2},
        "packages": {"torch": "2.15.0", "pytorch-lightning": "2.6.6"},
        "git": {"sha": "0123456789abcdef", "dirty": False},
        "threads": 2,
    },
    "date": "2026-11-21",
}
OTHER = {
    "machine": ABACUS["machine"] | {"threads": 8, "git": {"sha": None, "dirty": True}},
    "date": "2026-11-22",
}


def network(**speeds: list[float]) -> dict:
    programs = {
        name: {"images_per_second": taken, "peak_memory_mib": 1024.0}
        for name, taken in speeds.items()
    }
    return {
        "rounds": 3,
        "steps": 20,
        "batch_size": 128,
        "synthetic": False,
        "flops_per_image": 1e9,
        "gemm_peak": {"bf16-mixed": 4e11, "32": 1e11},
        "precision": "bf16-mixed",
        "epoch_end_seconds": 0.25,
        "compile_seconds": 31.2,
        "not_measured": {},
        "programs": programs,
    }


RESNET = network(
    guide=[40.0, 50.0, 60.0],
    torchvision=[20.0, 25.0, 30.0],
    template=[25.0, 25.0, 25.0],
    bare=[100.0, 100.0, 200.0],
    fovea=[80.0, 100.0, 110.0],
    compiled=[120.0, 125.0, 121.0],
)
ALONE = network(
    **{name: [10.0, 10.0] for name in ("guide", "torchvision", "template", "bare", "fovea")}
)


def test_a_ratio_is_of_medians_and_its_range_of_rounds():
    assert median_ratio(RESNET, "fovea", "guide") == (2.0, pytest.approx(11 / 6), 2.0)
    assert median_ratio(RESNET, "fovea", "bare") == (1.0, 0.55, 1.0)


def test_a_difference_has_welchs_interval():
    # Equal variances 1 and sizes 3: 4 degrees of freedom, t = 2.7764, standard error √(2/3).
    assert mean_difference([4, 5, 6], [1, 2, 3]) == pytest.approx(
        (3, 2.7764 * (2 / 3) ** 0.5), rel=1e-4
    )
    assert mean_difference([0.5, 0.5], [0.25, 0.25]) == (0.25, None)  # no spread to know it by


MEASURED = {
    "training": {
        "networks": {
            "resnet": RESNET | ABACUS,
            "conv_net": ALONE | {"not_measured": {"compiled": "no C++ compiler"}} | OTHER,
        }
    },
    "profile": {
        "networks": {
            "resnet": {"ms_per_step": {"batch norm": 6.0, "other": 2.0}} | ABACUS,
            "conv_net": {"ms_per_step": {"batch norm": 1.0, "other": 1.0}} | ABACUS,
        }
    },
    "overhead": {
        "steps": 390,
        "batch_size": 128,
        "ms_per_step": {"bare": [1.0, 1.0, 1.2], "fovea": [1.1, 1.25, 1.3]},
    }
    | OTHER,
    "startup": {"seconds": {"bare torch": [2.0, 2.0], "fovea": [3.0, 3.0]}} | ABACUS,
    "answers": {"seconds": {"help": [0.1, 0.3, 0.2]}} | ABACUS,
    "sweep": {"runs": 16, "workers": 2, "seconds": {"workers": 20.0, "fresh processes": 80.0}}
    | ABACUS,
    "accuracy": {
        "epochs": 5,
        "accuracy": {
            "resnet": {"fovea": {"0": 0.7, "1": 0.72}, "reference": {"0": 0.7, "1": 0.71}},
            "conv_net": {"fovea": {"0": 0.7}, "reference": {}},
        },
    }
    | ABACUS,
}


@pytest.mark.parametrize(
    "line",
    [
        "Matrix product peak: 400 GFLOP/s in bf16-mixed, 100 GFLOP/s in 32. Measured on abacus, 2 "
        "cores, 2 threads; torch 2.15.0, pytorch-lightning 2.6.6; commit 0123456; 2026-11-21.",
        "in 32. Measured on abacus, 2 cores, 8 threads; torch 2.15.0, pytorch-lightning 2.6.6; "
        "commit unknown with uncommitted changes; 2026-11-22.",
        "| guide's loop | 50 | 1.00 (1.00–1.00) | 50% (32) | 1.0 GiB |",
        "| fovea's, no Lightning | 100 (contended) | 2.00 (2.00–3.33) | 25% (bf16-mixed) |",
        "| fovea | 100 | 2.00 (1.83–2.00) | 25% (bf16-mixed) | 1.0 GiB |",
        "| fovea, compiled | 121 | 2.42 (2.02–3.00) | 30% (bf16-mixed) | 1.0 GiB |",
        "Contended, slowest over fastest round: fovea's, no Lightning (2.0×). Measure again on",
        "Compiled, it trains at 1.21 (1.10–1.50) of its eager speed, after compiling for 31 s.",
        "Not measured: fovea, compiled (no C++ compiler).",
        "| ms a step | ResNet-20 | ConvNeuralNet |",
        "| batch norm | 6.0 (75%) | 1.0 (50%) |",
        "**0.10 ms** a step (0.10 to 0.25)",
        "**1.50×** (1.50–1.50)",
        "help 0.20 s",
        "Contended, slowest over fastest round: help (3.0×).",
        "**4.0×**",
        "| ResNet-20 | 71.00 ± 1.41 % (n = 2) | 70.50 ± 0.71 % (n = 2) | +0.50 ±",
        "| ConvNeuralNet | 70.00 % (n = 1) | not run | too few runs |",
    ],
)
def test_the_report_says_what_was_measured(line: str):
    assert line in report_text(MEASURED)


def test_a_report_of_one_part_has_no_other():
    text = report_text({"sweep": MEASURED["sweep"]})
    assert "## A sweep of short runs" in text
    assert text.count("## ") == 1


def test_rounds_are_contended_above_one_and_a_half():
    assert not contended([40.0, 50.0, 60.0])
    assert contended([40.0, 50.0, 60.1])


def test_networks_profiled_on_different_machines_share_no_table():
    networks = MEASURED["profile"]["networks"]
    apart = {"resnet": networks["resnet"], "conv_net": networks["conv_net"] | OTHER}
    text = report_text({"profile": {"networks": apart}})
    assert "| ms a step | ResNet-20 |\n" in text
    assert "2026-11-22.\n\n| ms a step | ConvNeuralNet |\n" in text


def test_the_chart_is_a_picture():
    assert bar_chart(MEASURED["training"]).startswith(b"\x89PNG")


def test_the_published_report_is_of_its_numbers():
    folder = paths.experiment("speed")
    assert folder is not None
    measured = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    assert (folder / "README.md").read_text(encoding="utf-8") == report_text(measured)
