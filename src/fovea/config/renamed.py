"""What is called otherwise, or is gone: in old records, published rows, and as typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_RENAMED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "trainer.target_accuracy": (
        "trainer.stop",
        lambda value: {"metric": "train/accuracy", "value": value},
    ),
}

_GONE = {"launcher=auto": "launcher=workers, the default, does what it did"}
EARLIER_PICTURES = ("confusion.png",)  # of records whose summary has no ``pictures``


def current_keys(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys by the names they have now, and their values as they are written now."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        name, convert = _RENAMED.get(key, (key, None))
        if convert is None:
            found[name] = value
        elif value is not None:
            found[name] = convert(value)
    return found


def advice(key: str) -> str:
    """Return what is to be typed instead of a key that had another name; '' for any other."""
    if key not in _RENAMED:
        return ""
    name, convert = _RENAMED[key]
    shown = ", ".join(f"{part}: {value}" for part, value in convert("VALUE").items())
    return f"; it is {name}={{{shown}}} now"


def advice_on_option(group: str, option: str) -> str:
    """Return what is to be typed instead of an option that is gone; '' for any other."""
    found = _GONE.get(f"{group}={option}")
    return f"; {found}" if found else ""
