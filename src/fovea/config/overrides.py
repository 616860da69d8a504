"""Overrides as people write them: bounded, quoted where Hydra's grammar needs it, and counted."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError, FoveaError, did_you_mean, one_line
from fovea.config.keys import walk
from fovea.config.options import groups, options
from fovea.config.renamed import advice_on_option
from fovea.config.several import KEYED, SEVERAL

MOST_RUNS = 10_000  # of one sweep
_LONGEST = 10_000  # characters of an override; Hydra's parser takes a second for a hundred thousand
_LONGEST_KEY = 200
_DEPTH = 20  # brackets within each other; Hydra's parser and OmegaConf recurse
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, and what is not UTF-8
_GRAMMAR = set("'\"[](){}$\\")  # a value with one of these is quoted by whoever writes it
_UNQUOTED = re.compile(r"[A-Za-z0-9_/\-+.%*@?|:= ]*")  # what Hydra reads as text without quotes


def quoted(argument: str) -> str:
    """Return an override that Hydra's grammar can read: ``~`` as in a shell, ``é`` in quotes.

    Raises:
        ConfigError: ``~NAME`` names no user.
    """
    key, given, value = argument.partition("=")
    if not given or _GRAMMAR & set(value):
        return argument
    return f"{key}={','.join(_quoted(key, each) for each in value.split(','))}"


def _quoted(key: str, value: str) -> str:
    if value.startswith("~"):
        value = home(value, key)
    if _UNQUOTED.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", r"\'") + "'"


def home(value: str, key: str) -> str:
    """Return a path whose leading ``~`` or ``~NAME`` is the home folder, as in a shell.

    Raises:
        ConfigError: there is no such user.
    """
    try:
        return str(Path(value).expanduser())
    except RuntimeError:
        user = value.partition("/")[0]
        raise ConfigError(f"{key}={value}: no home folder of {user}") from None


def parse_overrides(arguments: Iterable[str], loader: ConfigLoader | None = None) -> list[Override]:
    """Parse overrides.

    Args:
        arguments: overrides, as :func:`quoted` returns them.
        loader: Hydra's, which knows the options that ``glob(…)`` matches.

    Raises:
        ConfigError: one is not an override, too long or too deep, or gives a group no option.
    """
    parser = OverridesParser.create(config_loader=loader)
    known = groups()
    parsed = []
    for argument in arguments:
        _require_bounded(argument)
        try:
            override = parser.parse_override(argument)
        except (HydraException, ValueError) as error:  # ValueError: too many digits
            reason = str(error).strip().partition("\n")[0].partition(";")[0]
            raise ConfigError(
                f"{one_line(argument, 120)}: not KEY=VALUE ({reason}); "
                "a value with special characters needs quotes: 'KEY=\"VALUE\"'"
            ) from None
        if not override.key_or_group:
            raise ConfigError(f"{one_line(argument, 120)}: no key before '='")
        if override.key_or_group in known and not override.is_delete():
            _require_options(override)
        override.config_loader = loader
        parsed.append(override)
    return parsed


def _require_bounded(argument: str) -> None:
    if len(argument) > _LONGEST:
        raise ConfigError(
            f"{one_line(argument, 80)}: {len(argument):,} characters; an override has at most "
            f"{_LONGEST:,}, and range(START,STOP) makes long lists"
        )
    key = argument.partition("=")[0]
    if len(key) > _LONGEST_KEY:
        raise ConfigError(f"{one_line(key, 80)}: unknown key")
    if hidden := _HIDDEN.search(argument):
        shown = one_line(_HIDDEN.sub("?", argument), 120)
        raise ConfigError(f"{shown}: holds the character U+{ord(hidden.group()):04X}; remove it")
    depth = 0
    for character in argument:
        depth += (character in "[({") - (character in "])}")
        if depth > _DEPTH:
            shown = one_line(argument, 80)
            raise ConfigError(f"{shown}: brackets nested more than {_DEPTH} deep")


def _require_options(override: Override) -> None:
    """Refuse what cannot be the name of a group's option: null, a number, a list of most groups."""
    group, value = override.key_or_group, override.value()
    if group == "experiment" and override.is_sweep_override():
        raise ConfigError(f"{override.input_line}: one experiment at a time")
    for each in value.list if isinstance(value, ChoiceSweep) else [value]:
        names = each if isinstance(each, list) else [each]
        if isinstance(each, list) and group not in SEVERAL:
            raise ConfigError(f"{override.input_line}: one option, or several to sweep: a,b")
        if len(set(map(str, names))) < len(names) or not (names or group in KEYED):
            raise ConfigError(f"{override.input_line}: not a list of different options: [a,b]")
        for name in names:
            _require_option(group, name)


def _require_option(group: str, value: Any) -> None:
    name = value.text if isinstance(value, QuotedString) else value
    if isinstance(name, Mapping | Glob):  # keys of the group; a pattern is checked by Hydra
        return
    if name is None:
        raise ConfigError(f"{group}=null: no such option; leave it out, or see: fovea list")
    if not isinstance(name, str) or name.startswith("_") or name.replace(".", "").isdigit():
        raise ConfigError(no_option(group, str(name)))


def require_few(grids: Iterable[Sequence[Override]]) -> None:
    """Refuse grids of too many runs; nothing is expanded to count them.

    Args:
        grids: the overrides of each arm; the last one of a key counts.

    Raises:
        ConfigError: there are too many, or a range or an interval has no end of values.
    """
    count = sum(
        math.prod({each.get_key_element(): _length(each) for each in grid}.values())
        for grid in grids
    )
    if count > MOST_RUNS:
        shown = f"{count:,}" if count < 1e18 else f"{float(min(count, 10**300)):.0e}"
        raise ConfigError(f"{shown} runs: more than the {MOST_RUNS:,} of one sweep; split the grid")


def expand(grid: Iterable[Override]) -> list[tuple[str, ...]]:
    """Return the overrides of every run of a grid; the values of its last key change fastest.

    Args:
        grid: overrides; the last one of a key counts, in the place of the first.
    """
    values: dict[str, list[str]] = {}
    for each in grid:
        key = each.get_key_element()
        swept = each.is_sweep_override()
        texts = each.sweep_string_iterator() if swept else [each.get_value_element_as_str()]
        values[key] = [f"{key}={text}" for text in texts]
    return list(itertools.product(*values.values()))


def _length(override: Override) -> int:
    """Return how many values an override has."""
    value = override.value()
    if isinstance(value, RangeSweep):
        ends = (value.start, value.stop, value.step)
        if value.step == 0 or not all(end is not None and math.isfinite(end) for end in ends):
            raise ConfigError(f"{override.input_line}: a range that never ends")
        assert value.start is not None
        assert value.stop is not None
        steps = (value.stop - value.start) / value.step
        return max(0, math.ceil(min(steps, 1e300)))
    if isinstance(value, IntervalSweep):
        raise ConfigError(
            f"{override.input_line}: no list of values; give a,b or range(START,STOP,STEP)"
        )
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if isinstance(value, Glob):
        return len(list(override.sweep_iterator()))
    return 1


def from_mapping(values: Any, where: str) -> list[str]:
    """Return overrides from a mapping of a config file: the grid or an arm of a sweep.

    Args:
        values: keys and values; ``None`` is none.
        where: its key in the file, for the message.

    Raises:
        ConfigError: it is not a mapping of keys to plain values or lists of such.
    """
    if not isinstance(values, Mapping | None):
        raise ConfigError(f"{where}: should be a mapping (KEY: VALUES), not {one_line(values, 80)}")
    overrides = []
    for key, value in (values or {}).items():
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float | None) for item in items):
            shown = one_line(value, 80)
            raise ConfigError(f"{where}.{key}: should be a value or a list, not {shown}")
        text = str(value).lower() if isinstance(value, bool) else value
        overrides.append(quoted(f"{key}={'null' if value is None else text}"))
    return overrides


@contextmanager
def explained(arguments: Sequence[str], where: str = "") -> Iterator[None]:
    """Within it what Hydra or OmegaConf objects to becomes one line.

    Args:
        arguments: overrides, whose groups say which keys there are.
        where: file that is composed, which every message names.

    Raises:
        ConfigError: they object, or what is done within it does.
    """
    try:
        yield
    except ConfigError as error:
        if where in str(error):
            raise
        raise ConfigError(f"{where}: {error}") from error
    except RecursionError as error:
        raise ConfigError("nested too deeply: do defaults of options name each other?") from error
    except (HydraException, OmegaConfBaseException) as error:
        prefix = f"{where}: " if where else ""
        raise ConfigError(f"{prefix}{explain(error, arguments)}") from error


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """Describe what Hydra objects to in one line, with the nearest valid name."""
    cause = error.__cause__
    inner: BaseException | None = error
    while inner is not None:  # what a resolver or a reader of fovea's raised
        if isinstance(inner, FoveaError):
            return str(inner)
        inner = inner.__cause__ or inner.__context__
    text = str(error).strip()
    if missing := re.search(r"Could not (?:find|load) '(\w+)/(.*?)'", text):
        return no_option(*missing.groups())
    if unknown := re.search(r"Could not override '([\w./@]+)'", text):
        key = unknown.group(1)
        if within := re.search(r"full_key: (\S+)", str(cause)):
            key = within.group(1)
        known = _known_keys(arguments)
        return f"{key}: unknown key{did_you_mean(key, known) or '; see: fovea list'}"
    if text.startswith("Error merging override") and cause is not None:
        override = text.partition("override ")[2].partition("\n")[0]
        return f"{override}: {str(cause).strip().partition(chr(10))[0]}"
    first, *more = (line.strip() for line in text.splitlines())
    place = next((line for line in more if line.startswith("full_key: ")), "")
    return f"{place.removeprefix('full_key: ')}: {first}" if place else " ".join([first, *more[:1]])


def no_option(group: str, option: str) -> str:
    """Return the line about an option that a group does not have."""
    near = did_you_mean(option, options(group)) if group in groups() else ""
    instead = advice_on_option(group, option) or near
    return f"{group}={option}: no such option{instead} (see: fovea list {group})"


def _known_keys(arguments: Sequence[str]) -> list[str]:
    """Return every dotted key of the config that the group choices among overrides compose."""
    known = groups()
    chosen = [
        item
        for item in arguments
        if item.partition("=")[0] in known and ("," not in item or "=[" in item)
    ]
    try:
        return [*known, *(key for key, _ in walk(compose_run(chosen)))]
    except (HydraException, OmegaConfBaseException):
        return known
