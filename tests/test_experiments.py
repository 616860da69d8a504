"""Every experiment, two steps on tiny data: each arm trains and leaves what its table shows."""

from __future__ import annotations

import io
import pickle
import re
import struct
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from fovea.config import paths
from fovea.config.compose import compose_run
from fovea.records import RunFolder
from fovea.sweep.plan import PlannedRun, plan_experiment
from fovea.training.train import train


def sample(size: int, classes: Sequence[int], pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ``size`` random images, ``(size, pixels)``, and labels that take turns."""
    images = np.random.default_rng(size).integers(256, size=(size, pixels), dtype=np.uint8)
    return images, np.resize(np.array(classes, np.uint8), size)


def write_mnist(folder: Path) -> None:
    folder.mkdir()
    for part, size in (("train", 40), ("t10k", 20)):
        images, labels = sample(size, range(10), 28 * 28)
        head = struct.pack(">4I", 0x0803, size, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">2I", 0x0801, size)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())


def write_cifar10(folder: Path) -> None:
    batches = folder / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        images, labels = sample(20, range(10), 3 * 32 * 32)
        (batches / name).write_bytes(pickle.dumps({"data": images, "labels": labels.tolist()}))


def write_sign_mnist(folder: Path) -> None:
    folder.mkdir()
    letters = [label for label in range(25) if label != 9]  # no J, no Z
    header = ",".join(["label", *(f"pixel{number}" for number in range(1, 785))])
    for part, size in (("train", 72), ("test", 24)):
        images, labels = sample(size, letters, 28 * 28)
        rows = np.column_stack([labels, images])
        text = "\n".join([header, *(",".join(map(str, row)) for row in rows.tolist())])
        (folder / f"sign_mnist_{part}.csv").write_text(text)


def write_rotten_tomatoes(folder: Path) -> None:
    folder.mkdir()
    for kind, words in (("neg", "a dull , slow film"), ("pos", "a fine and funny film")):
        text = "".join(f"{words} of {number} minutes\n" for number in range(30))
        (folder / f"rt-polarity.{kind}").write_text(text)


def write_masks(file: Path, parts: Sequence[tuple[str, str, int]], values: Sequence[int]) -> None:
    """Write a tar file of random pictures, 64×48, and their masks, striped in the given values."""
    file.parent.mkdir()
    numbers = np.random.default_rng(0)
    mask = np.resize(np.array(values, np.uint8), (48, 64))
    with tarfile.open(file, "w") as tar:
        for images, masks, size in parts:
            for index in range(size):
                picture = numbers.integers(256, size=mask.shape, dtype=np.uint8)
                for folder, pixels in ((images, picture), (masks, mask)):
                    stream = io.BytesIO()
                    Image.fromarray(pixels).save(stream, "PNG")
                    info = tarfile.TarInfo(f"{folder}/{index}.png")
                    info.size = len(stream.getvalue())
                    tar.addfile(info, io.BytesIO(stream.getvalue()))


def write_camvid(folder: Path) -> None:
    parts = [
        (f"CamVid/{part}", f"CamVid/{part}annot", size)
        for part, size in (("train", 32), ("val", 2), ("test", 2))
    ]
    write_masks(folder / "CamVid_240x180.tar", parts, range(12))


def write_membranes(folder: Path) -> None:
    parts = [("membrane/train/image", "membrane/train/label", 30)]
    write_masks(folder / "membrane.tar", parts, [0, 255, 255, 255])


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sets that experiments read, a few random images or sentences of each."""
    root = tmp_path_factory.mktemp("data")
    write_mnist(root / "mnist")
    write_cifar10(root / "cifar10")
    write_sign_mnist(root / "sign_mnist")
    write_rotten_tomatoes(root / "rotten_tomatoes")
    write_camvid(root / "camvid")
    write_membranes(root / "isbi2012_membrane")
    return root


def first_of_each_arm(name: str) -> dict[str, PlannedRun]:
    """Return the first run of every arm of an experiment, or of every network where it has none."""
    first: dict[str, PlannedRun] = {}
    for run in plan_experiment(name):
        first.setdefault(run.arm or run.choices["model"], run)
    return first


def shortened(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """Return a run's config for two steps of 16 images."""
    workers = {"workers": 0} if "workers" in config["data"] else {}
    return config | {
        "epochs": min(config["epochs"], 1),
        "batch_size": 16,
        "data": config["data"] | {"root": str(root)} | workers,
        "trainer": config["trainer"] | {"limit_batches": 2, "accelerator": "cpu", "precision": 32},
        "tracking": compose_run(["tracking=csv"])["tracking"],
    }


def shown(experiment: str) -> set[str]:
    """Return the recorded values that an experiment's table is made of."""
    folder = paths.experiment(experiment)
    assert folder is not None
    columns = yaml.safe_load((folder / "table.yaml").read_text())["columns"]
    found = [re.search(r"[\w/]+(?=[ )]|$)", column["metric"]) for column in columns]
    return {match.group() for match in found if match}


@pytest.mark.parametrize("name", paths.experiment_names())
def test_every_arm_trains_and_leaves_what_its_table_shows(
    name: str, data_root: Path, tmp_path: Path
) -> None:
    for arm, run in first_of_each_arm(name).items():
        config = shortened(run.config, data_root)
        folder = RunFolder(tmp_path / arm)
        train(config, folder, run.choices)
        assert folder.status == "finished", arm
        assert folder.summary.get("steps", 0) == 2 * config["epochs"], arm
        history = {key for row in folder.history() for key in row}
        assert shown(name) <= {*folder.summary, *folder.metrics, *history}, arm
