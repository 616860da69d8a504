"""The identity of a run: everything in its config that can change the numbers, and nothing else.

The *scientific config* is a flat mapping of dotted keys, as overrides name them. It holds the
option that was chosen of each config group, and every value but two kinds: what equals the default
in its constructor's signature, and what is ``Unscientific[…]`` there (at the root: in
:class:`~fovea.config.schema.Root`). The class that an option builds is its option's own affair: a
``_target_`` counts only where it is another than the option's file states. So a class may move, an
argument may be added whose default is the old behaviour, and the ids of published runs stay.

The run id is a short name of the scientific config. ``auto`` values are hashed as asked, not as
resolved: an experiment has the same ids on every machine, so its table can be filled from several.
What each became is in the run's ``environment.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from fovea.config.errors import ConfigError
from fovea.config.keys import look_up
from fovea.config.options import stated
from fovea.config.renamed import current_keys
from fovea.config.schema import GROUPS, Root
from fovea.config.several import nodes, steering
from fovea.config.signatures import MISSING, Argument, signature
from fovea.config.types import UNSCIENTIFIC

ID_VERSION = 2  # of the rule; 1 hashed the whole config less a list of keys
REPEATS = ("seed", "data.fold")  # in which the runs of one cell differ

Scientific = dict[str, Any]


def all_settings(config: Mapping[str, Any], choices: Mapping[str, str]) -> Scientific:
    """Return all that can change a run's numbers, defaults included.

    Args:
        config: resolved, as plain containers.
        choices: the option chosen of each config group.
    """
    flat = dict(_flat(config, choices))
    return {key: value for key, value in flat.items() if is_scientific(key, flat)}


def scientific(config: Mapping[str, Any], choices: Mapping[str, str]) -> Scientific:
    """Return the scientific config of a run.

    Args:
        config: resolved, as plain containers.
        choices: the option chosen of each config group.
    """
    return reduced(dict(_flat(config, choices)))


def of_options(
    group: str, config: Mapping[str, Any], choices: Mapping[str, str]
) -> dict[str, Scientific]:
    """Return the same of each option of a group, by its path: of probes, which no id holds.

    One of several has the keys that it has where it is chosen alone.
    """
    found = {}
    for path, node in nodes(group, config):
        flat = dict(_flat({group: node}, {group: choices[path]} if path in choices else {}))
        found[path] = {
            key: _canonical(each) for key, each in flat.items() if not _is_default(key, each, flat)
        }
    return found


def reduced(flat: Mapping[str, Any]) -> Scientific:
    """Reduce dotted keys to the scientific config by the rule as it is now.

    A scientific config that was stored earlier stays as it is, less what is no longer scientific.
    """
    flat = current_keys(flat)
    kept = {
        key: value
        for key, value in flat.items()
        if is_scientific(key, flat) and not _is_default(key, value, flat)
    }
    return {key: _canonical(kept[key]) for key in sorted(kept)}


def run_id(config: Mapping[str, Any]) -> str:
    """Return the id of a scientific config: 12 hexadecimal digits."""
    text = json.dumps([ID_VERSION, config], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def is_scientific(key: str, config: Mapping[str, Any]) -> bool:
    """Whether a dotted config key, or a group, can change a run's numbers.

    Args:
        key: as overrides name it.
        config: dotted keys that say which option is chosen of the key's group.
    """
    group, _, below = key.partition(".")
    if group == "metrics":
        names = steering(config.get("trainer.monitor"), config.get("trainer.stop"))
        if below.partition(".")[0] not in names:
            return False
    root = Root.model_fields.get(group)
    if root is not None and UNSCIENTIFIC in root.metadata:
        return False
    argument = _argument(key, config)
    return argument is None or argument.scientific


def config_difference(one: Scientific, other: Scientific) -> dict[str, tuple[Any, Any]]:
    """Return the keys in which two scientific configs differ, with both values.

    A key that only one holds has, in the other, its constructor's default.
    """
    keys = sorted({*one, *other})
    pairs = {key: (_value(key, one), _value(key, other)) for key in keys}
    return {key: pair for key, pair in pairs.items() if _text(pair[0]) != _text(pair[1])}


def relocated(config: Mapping[str, Any], choices: Mapping[str, str]) -> dict[str, Any]:
    """Return a recorded config with keys and fovea's own classes as they are called now.

    Args:
        config: as recorded, by this version or an earlier one.
        choices: the option chosen of each config group.
    """
    moved = dict(config)
    for group in GROUPS:
        if isinstance(node := config.get(group), Mapping) and group in choices:
            moved[group] = _relocated(node, stated(group, choices[group]))
        if isinstance(node, Mapping):
            own = {f"{group}.{key}": value for key, value in moved[group].items()}
            moved[group] = {key.partition(".")[2]: each for key, each in current_keys(own).items()}
    return moved


def _relocated(node: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    moved = dict(node)
    for key, value in node.items():
        now = known.get(key)
        if key == "_target_" and now is not None and _same_class(value, now):
            moved[key] = now
        elif isinstance(value, Mapping) and isinstance(now, Mapping):
            moved[key] = _relocated(value, now)
    return moved


def _value(key: str, config: Scientific) -> Any:
    if key in config:
        return config[key]
    argument = _argument(key, config)
    return None if argument is None or argument.default is MISSING else argument.default


def _flat(config: Mapping[str, Any], choices: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if key not in GROUPS:
            yield key, value
        else:
            for path, node in nodes(key, config):
                if path in choices:
                    yield path, choices[path]
                yield from _node(node, path)


def _node(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of a node; a mapping without a ``_target_`` is a value."""
    for key, value in node.items():
        if isinstance(value, Mapping) and "_target_" in value:
            yield from _node(value, f"{path}.{key}")
        elif key not in ("_partial_", "_problem_"):
            yield f"{path}.{key}", value


def _is_default(key: str, value: Any, config: Mapping[str, Any]) -> bool:
    path, _, name = key.rpartition(".")
    if not path:
        root = Root.model_fields.get(key)
        return root is not None and not root.is_required() and _text(value) == _text(root.default)
    if name == "_target_":
        return _same_class(value, _stated_target(path, config))
    argument = _argument(key, config)
    if argument is None or argument.default is MISSING:
        return False
    return _text(value) == _text(argument.default)


def _same_class(one: Any, other: str | None) -> bool:
    """Whether two targets name one class; fovea's own may have moved since."""
    if one == other:
        return True
    both = [str(each).split(".") for each in (one, other)]
    return all(each[0] == "fovea" for each in both) and both[0][-1] == both[1][-1]


def _argument(key: str, config: Mapping[str, Any]) -> Argument | None:
    """Return the argument that a key gives a value; ``None`` where that is unknown."""
    path, _, name = key.rpartition(".")
    own, target = config.get(f"{path}._target_"), _stated_target(path, config)
    if own is not None and not _same_class(own, target):
        target = own
    if not path or not isinstance(target, str):
        return None
    try:
        arguments = signature(target)
    except ConfigError:  # a class that is gone
        return None
    return arguments.get(name) if arguments else None


def _stated_target(path: str, config: Mapping[str, Any]) -> str | None:
    """Return the ``_target_`` that the option's own file states at a path of its group."""
    group, *below = path.split(".")
    option = config.get(group)
    if option is None and below:  # one of several
        option = config.get(f"{group}.{below.pop(0)}")
    tree = {} if option is None else stated(group, str(option))
    return look_up(tree, ".".join([*below, "_target_"]))


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # lr=1 and lr=1.0 are one run
    return value


def _text(value: Any) -> str:
    return json.dumps(_canonical(value), sort_keys=True, default=repr)
