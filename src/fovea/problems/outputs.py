"""The outputs of a network by name: one is predicted from, the others only help to train it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fovea.config.errors import ConfigError, one_line


def named_outputs(outputs: Any, main: str) -> dict[str, Tensor]:
    """Return a network's outputs by name.

    Args:
        outputs: one tensor, which is the main output; or several, as a mapping or a namedtuple
            (torchvision's ``GoogLeNetOutputs``). ``None`` is no output.
        main: the output that is predicted from.

    Raises:
        ConfigError: it is not among them.
    """
    if isinstance(outputs, Tensor):
        return {main: outputs}
    if hasattr(outputs, "_asdict"):
        outputs = outputs._asdict()
    if isinstance(outputs, Mapping):
        found = {str(name): each for name, each in outputs.items() if each is not None}
        if main in found and all(isinstance(each, Tensor) for each in found.values()):
            return found
        returned = ", ".join(f"{name} ({_kind(each)})" for name, each in found.items()) or "nothing"
    else:
        returned = _kind(outputs)
    raise ConfigError(
        f"model: the network returns {one_line(returned, 160)}; it should return a tensor, or "
        f"tensors by name, '{main}' among them"
    )


def _kind(value: Any) -> str:
    return f"tensor {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
