"""Pickles of every protocol are read by hand; forged ones execute, allocate and hang nothing."""

from __future__ import annotations

import pickle
import struct
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fovea.data.sources import pickled
from fovea.data.sources.pickled import read_plain

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 12)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        PIXELS,
        np.asfortranarray(PIXELS),
        PIXELS.astype(">i4"),
        np.array([-5, 2**40]),
        PIXELS[:, ::2],
    ],
    ids=["bytes", "by column", "big-endian", "int64", "strided"],
)
@pytest.mark.parametrize("numpy_of", [1, 2])
def test_what_numpy_writes_is_read(protocol: int, array: np.ndarray, numpy_of: int) -> None:
    batch = {"data": array, "labels": [3, 255, 70_000, -1], "filenames": ["é.png", "ü" * 300]}
    content = pickle.dumps(batch | {"batch_label": None, "ok": True}, protocol)
    if numpy_of == 1:
        content = content.replace(b"numpy._core", b"numpy.core")
        content = content.replace(b"\x8c\x16numpy.core", b"\x8c\x15numpy.core")  # with its length
        content = content.replace(b"\x8c\x13numpy.core", b"\x8c\x12numpy.core")
    found = read_plain(content)
    assert found["data"].dtype == array.dtype
    assert found["data"].tolist() == array.tolist()
    assert {key: found[key] for key in batch if key != "data"} == {
        key: batch[key] for key in batch if key != "data"
    }


def test_an_array_that_occurs_twice_is_one() -> None:
    found = read_plain(pickle.dumps({"data": PIXELS, "again": PIXELS}, 4))
    assert found["data"] is found["again"]


class Reduced:
    """Pickled as a call with a state, whatever it is of."""

    def __init__(self, call: Callable[..., Any], arguments: tuple[Any, ...], state: Any) -> None:
        self.reduced = call, arguments, state

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def forged_type(kind: str, state: tuple[Any, ...]) -> Reduced:
    return Reduced(np.dtype, (kind, False, True), state)


def forged_array(*state: Any) -> Reduced:
    reconstruct = PIXELS.__reduce__()[0]
    assert callable(reconstruct)
    return Reduced(reconstruct, (np.ndarray, (0,), b"b"), state)


U1 = np.dtype("u1")
PLAIN = (3, "|", None, None, None, -1, -1, 0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (forged_type("u1", (3, "<", None, None, None, 2**31 - 1, 8, 0)), "forged state of type"),
        (forged_type("u1", (3, "|", (U1, (9,)), None, None, -1, -1, 0)), "forged state of type"),
        (forged_type("u1", (3, "|", None, ("a",), {"a": (U1, 99)}, 8, 1, 0)), "forged state"),
        (forged_type("u1", (*PLAIN[:7], 63)), "forged state of type"),
        (forged_type("u1", (4, *PLAIN[1:], None)), "forged state of type"),
        (forged_type("O8", PLAIN), "an array of 'O8', not of integers"),
        (forged_type("V99", PLAIN), "an array of 'V99', not of integers"),
        (np.array([None, {}], object), "an array of 'O8', not of integers"),
        (np.array(["a"]), "an array of 'U1', not of integers"),
        (np.zeros(2, [("a", "u1")]), "an array of 'V1', not of integers"),
        (np.zeros(2), "an array of 'f8', not of integers"),
        (forged_array(1, (2**40, 2**40), U1, False, b"\1"), r"claims \d{25} bytes and has 1"),
        (forged_array(1, (3,), U1, False, b"\1\2"), "claims 3 bytes and has 2"),
        (forged_array(1, (1,), np.dtype("i8"), False, b"\1\2"), "claims 8 bytes and has 2"),
        (forged_array(1, (-1, -2), U1, False, b"\1\2"), "shape is not of a few sizes"),
        (forged_array(1, (1,) * 60, U1, False, b"\1"), "shape is not of a few sizes"),
        (forged_array(1, (True,), U1, False, b"\1"), "shape is not of a few sizes"),
        (forged_array(1, (1,), U1, False, [b"\1"]), "an array without bytes"),
        (forged_array(0, (1,), U1, False, b"\1"), "forged state of array"),
        (forged_array(1, (1,), "u1", False, b"\1"), "forged state of array"),
        (Reduced(np.dtype, ("u1",), None), "^$"),
        (np.float64(1.0), "refused to load numpy._core.multiarray.scalar"),
        (np.random.default_rng(0), "refused to load numpy"),
        (eval, "refused to load builtins.eval"),
        (1.5, "refused opcode BINFLOAT"),
        (2**64, "an integer of more than 64 bits"),
        ({(1, 2): 3}, "a key that is no text"),
        ({1, 2}, "refused opcode"),
    ],
)
def test_a_forged_array_is_refused(value: Any, reason: str) -> None:
    if reason == "^$":  # the control: as it should be
        assert read_plain(pickle.dumps({"data": value}, 2)) is not None
        return
    with pytest.raises(ValueError, match=reason):
        read_plain(pickle.dumps({"data": value}, 4))


DOUBLED = b"]\x94" + b"(" + 60 * b"]\x94(h\0h\0e" + b"e"  # lists of lists of lists
TUPLES = b"(" + b")" + 200 * b"q\0h\0\x86"  # tuple of the same tuple twice, 200 deep
BOMBS = {
    "huge memo": b"\x80\x02}r\xff\xff\xff\x7f.",
    "huge text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc.",
    "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
    "huge frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.",
    "huge integer": b"\x80\x02}X\x01\0\0\0aL" + b"9" * 10**6 + b"L\ns.",
    "deep lists": b"\x80\x02}(X\x01\0\0\0a" + b"]" * 10**5 + b"a" * (10**5 - 1) + b"u.",
    "doubled lists": b"\x80\x04}(\x8c\x01a" + DOUBLED + b"u.",
    "tuple as key": b"\x80\x02}" + TUPLES + b"Ks.",
    "tuple as name": b"\x80\x04}" + TUPLES + b"h\0\x93.",
    "encoded over and over": (
        b"\x80\x02c_codecs\nencode\nq\0X" + struct.pack("<I", 2**20) + bytes(2**20) + b"q\1"
        b"X\6\0\0\0latin1q\2" + 2000 * b"h\0h\1h\2\x86R" + b"."
    ),
    "endless marks": b"\x80\x02}" + b"(" * 10**5 + b".",
    "too many steps": b"\x80\x02}" + b"N" * 200_001 + b".",
    "extension": b"\x80\x02}\x82\x01.",
    "persistent": b"\x80\x02}Pid\n.",
    "instance": b"\x80\x02}(ios\nsystem\n.",
    "empty": b"",
    "nothing": b".",
    "no stop": b"\x80\x02}",
    "operands missing": b"\x80\x02}X\x01\0\0\0as.",
    "unknown opcode": b"\x80\x02}\xff.",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_takes_neither_time_nor_memory(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled, "_STEPS", 200_000)
    content = BOMBS[bomb]
    tracemalloc.start()
    started = time.perf_counter()
    try:
        found = read_plain(content)
    except ValueError as error:
        assert len(str(error)) < 200  # noqa: PT017
    else:
        assert bomb in ("huge memo", "huge frame", "endless marks", "deep lists", "doubled lists")
        assert set(found) <= {"a"}
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 40 * len(content) + 2**20
    assert time.perf_counter() - started < 60
