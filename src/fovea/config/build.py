"""From a config node to the object it names: checked, then built; nothing else is interpreted.

A string is a string: an interpolation that stands in a run's record is not resolved.
"""

from __future__ import annotations

import inspect
import re
import traceback
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from fovea.config.errors import ConfigError, FoveaError
from fovea.config.trust import (
    FUNCTIONS,
    KINDS,
    clean,
    is_within,
    kind_of,
    line,
    named,
    refusal,
    refusal_of_module,
)

_MAKERS = "fovea.optim.optimizers"  # its functions make optimizers of a model
_KEYS = ("_target_", "_args_", "_partial_", "_problem_")
_NAMES_A_FILE = re.compile(
    r"(^|_)(path|dirpath|file|filename|dir|url|checkpoint|cfg|overlay)$", re.IGNORECASE
)


def build(kind: str, node: Mapping[str, Any], /, **runtime: Any) -> Any:
    """Build what a config node names, with arguments that only the running program knows.

    Args:
        kind: what is to be built, a key of ``trust.KINDS``.
        node: ``_target_``, its keyword arguments, and positional ones as ``_args_``. Nodes within
            are built first; ``_partial_: true`` leaves one of them to be called later.
        runtime: further keyword arguments.

    Raises:
        FoveaError: the target is not trusted or does not fit, or the arguments do not.
    """
    return factory(kind, node)(**runtime)


def build_with(kind: str, node: Mapping[str, Any], /, **offered: Any) -> Any:
    """Build what a config node names, with those of the offered arguments that it takes.

    Raises:
        FoveaError: as of :func:`build`.
    """
    taken = arguments(kind, node)
    return build(kind, node, **{key: value for key, value in offered.items() if key in taken})


def arguments(kind: str, node: Mapping[str, Any], asked: Iterable[str] = ()) -> set[str]:
    """Return the names of the arguments of what a config node names.

    Args:
        kind, node: as of :func:`build`.
        asked: names that what takes any (``**kwargs``) is taken to have.

    Raises:
        FoveaError: as of :func:`factory`.
    """
    try:
        parameters = inspect.signature(class_of(kind, node)).parameters.values()
    except (TypeError, ValueError):
        return set()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    own = {each.name for each in parameters if each.kind in named}
    return own.union(asked) if takes_any else own


def offered(key: str, offers: Mapping[str, Any], path: str) -> Any:
    """Return what the data offers for a key that is ``auto``.

    Raises:
        ConfigError: it offers nothing of that name.
    """
    if key not in offers:
        known = ", ".join(offers) or "nothing"
        raise ConfigError(f"{path}.{key}=auto: the data offers {known}; set a value")
    return offers[key]


def class_of(kind: str, node: Mapping[str, Any]) -> Any:
    """Return the class, or the function, that a config node names; nothing is called.

    Raises:
        FoveaError: the target is not trusted or does not fit.
    """
    if "_target_" not in node:
        raise ConfigError(f"{clean(kind, 80)}._target_: no value")
    return _resolve(kind, node["_target_"], kind)


def factory(kind: str, node: Mapping[str, Any], /) -> partial[Any]:
    """Return what builds a node when it is called with the arguments that it lacks.

    Raises:
        FoveaError: the target is not trusted or does not fit.
    """
    target, args, kwargs = _parts(kind, node, kind)
    place = f"{kind}._target_={clean(node['_target_'], 60)}"
    return partial(_call, target, place, *args, **kwargs)


def _parts(
    kind: str, node: Mapping[str, Any], path: str
) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """Return what a node names and its arguments, in which all nodes are built."""
    if "_target_" not in node:
        raise ConfigError(f"{clean(path, 80)}._target_: no value")
    target = _resolve(kind, node["_target_"], path)
    args = _built(kind, node.get("_args_") or [], f"{path}._args_")
    rest = {key: value for key, value in node.items() if key not in _KEYS}
    kwargs = {
        str(key): _built(kind_of(str(key), kind), value, f"{path}.{key}")
        for key, value in rest.items()
    }
    if not isinstance(args, list):
        raise ConfigError(f"{clean(path, 80)}._args_: not a list")
    if not is_within(node["_target_"], ("fovea", *named())):
        _require_no_file(target, node["_target_"], args, kwargs, path)
    return target, args, kwargs


def _built(kind: str, value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        if "_target_" not in value:
            return {
                key: _built(kind_of(str(key), kind), item, f"{path}.{key}")
                for key, item in value.items()
            }
        target, args, kwargs = _parts(kind, value, path)
        if value.get("_partial_") is True:
            return partial(target, *args, **kwargs)
        place = f"{clean(path, 40)}._target_={clean(value['_target_'], 60)}"
        return _call(target, place, *args, **kwargs)
    if isinstance(value, list | tuple):
        return [_built(kind, item, f"{path}.{index}") for index, item in enumerate(value)]
    return value


def _resolve(kind: str, target: Any, path: str) -> Callable[..., Any]:
    """Import what a target names, and check what it is before anything calls it."""
    if reason := refusal(kind, target):
        raise ConfigError(line(path, target, reason))
    module, _, name = target.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:
        raise ConfigError(line(path, target, _reason(error))) from error
    home = getattr(found, "__module__", None) or ""
    what = "a class" if inspect.isclass(found) else f"a {type(found).__name__}"
    if kind != "model" or not (target in FUNCTIONS or _is_torchvisions(found, name)):
        base = _base(kind)
        if inspect.isfunction(found) and is_within(home, (_MAKERS, *named())):
            what = "a function that does not say it returns one"
            fits = _returns(found, base)
        else:
            fits = inspect.isclass(found) and issubclass(found, base)
        if not fits:
            raise ConfigError(line(path, target, f"{what}; {KINDS[kind].text}"))
    if reason := refusal_of_module(kind, home):
        raise ConfigError(line(path, target, f"of {clean(home, 40)}; {reason}"))
    return found


def _is_torchvisions(found: Any, name: str) -> bool:
    """Whether it is a function that torchvision lists as one that makes a model."""
    if not inspect.isfunction(found) or not is_within(found.__module__, ("torchvision.models",)):
        return False
    from torchvision.models import get_model_builder, list_models

    return name in list_models() and get_model_builder(name) is found


def _base(kind: str) -> tuple[type, ...]:
    base = KINDS[kind].base
    parts = (each.rpartition(".") for each in ([base] if isinstance(base, str) else base))
    return tuple(getattr(import_module(module), name) for module, _, name in parts)


def _returns(function: Callable[..., Any], base: tuple[type, ...]) -> bool:
    """Whether a function's annotation says that it returns an object of a type."""
    try:
        returned = typing.get_type_hints(function).get("return")
    except Exception:  # it names what is imported for type checkers only
        return False
    return inspect.isclass(returned) and issubclass(returned, base)


def _require_no_file(
    target: Callable[..., Any],
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    path: str,
) -> None:
    """Refuse arguments by which a library's constructor would load a file, or fetch one.

    Weights that a library publishes itself (``pretrained``, ``weights``) are the library's.
    """
    try:
        given = inspect.signature(target).bind_partial(*args, **kwargs).arguments
    except (TypeError, ValueError):  # the call will say it
        given = {}
    for key, value in {**given, **kwargs}.items():
        if _NAMES_A_FILE.search(key) and isinstance(value, str | Mapping | Path):
            raise ConfigError(
                f"{clean(path, 60)}.{clean(key, 40)}={clean(value, 60)}: a config may not have "
                f"{clean(name, 60)} load a file or an address"
            )
    model = given.get("model_name", kwargs.get("model_name"))
    if name in FUNCTIONS and isinstance(model, str) and ":" in model:
        raise ConfigError(
            f"{clean(path, 60)}.model_name={clean(model, 60)}: a config may name timm's own models "
            "only, not a folder or a repository"
        )


def _call(target: Callable[..., Any], place: str, /, *args: Any, **kwargs: Any) -> Any:
    try:
        return target(*args, **kwargs)
    except FoveaError:
        raise
    except Exception as error:
        raise ConfigError(f"{place}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return an exception in one line, with the place in the code that raised it."""
    text = (str(error).strip().splitlines() or [""])[0]
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f" ({Path(frame.filename).name}:{frame.lineno})"
    own = "" if frame.filename == __file__ or "importlib" in frame.filename else place
    return clean(f"{type(error).__name__}: {text}".rstrip(": "), 140) + own
