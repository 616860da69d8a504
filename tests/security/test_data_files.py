"""Data sets of other people: nothing in them is executed, nothing they claim is believed."""

from __future__ import annotations

import gzip
import os
import pickle
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.config.errors import DataError
from fovea.data.cifar import Cifar
from fovea.data.idx import Idx


class Executed:
    """Unpickled by the plain ``pickle``, this makes a folder."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.canary),)


def refused(source: Cifar | Idx, root: Path, name: str) -> str:
    """Return the one line that names the file."""
    with pytest.raises(DataError) as refusal:
        source.read(root, skip_bad=True)
    text = str(refusal.value)
    assert name in text
    assert "\n" not in text.replace(str(root), "")
    assert len(text.replace(str(root), "")) <= 300
    return text


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["data", "labels", "state"])
def test_no_batch_is_executed(tmp_path: Path, protocol: int, place: str) -> None:
    canary = tmp_path / "executed"
    array: Any = np.zeros((1, 3072), np.uint8)
    if place == "state":
        array = np.array([Executed(canary)], object)
    batch = {"data": array, "labels": [0]}
    if place != "state":
        batch[place] = Executed(canary)
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch, protocol))
    assert "refused" in (line := refused(Cifar(), tmp_path, "data_batch_1")) or "'O8'" in line
    assert not canary.exists()
    pickle.loads((folder / "data_batch_1").read_bytes())
    assert canary.exists()


def test_a_header_that_claims_6_gib_allocates_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    claim = struct.pack(">4I", 0x803, 60_000, 331, 331)
    compressed = gzip.compress(claim + bytes(2**20), 9)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(compressed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = refused(Idx("mnist", classes=["a"]), tmp_path, "train-images-idx3-ubyte.gz")
    assert "claims 6573660000 values (60000×331×331), the file holds 1048576" in line
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # KiB
