"""Text files: what is read of good ones, and the one line about each kind of bad one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from fovea.config.errors import ConfigError, RecordError
from fovea.config.files import read_json, read_text, read_yaml

GOOD = """\
# comment
a: 1
b: [1.5, -2.0e-05, 1.0e+3, .inf, -0, 0x10, 0b11, 1_000, 12:30]
c: {x: null, y: ~, z: true, w: off, v: "1", u: '2'}
base: &base {lr: 0.1, betas: [0.9, 0.999]}
d: *base
e: {<<: *base, lr: 0.2}
5: text
f: |
  two
  lines
g: 1e-3
h: 1e5
i: 1.5e3
é: ü
"""
TENS = "".join(
    f"- &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in ("ab", "bc", "cd", "de")
)
DEEP = "nested more than 50 levels deep"


def test_a_good_file_is_what_safe_load_says(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD, encoding="utf-8")
    assert read_yaml(file) == yaml.safe_load(GOOD)
    assert read_yaml(file)["g"] == "1e-3"


def test_exponents_are_numbers_where_omegaconf_reads_them_so(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD, encoding="utf-8")
    ours = read_yaml(file, exponents=True)
    assert ours == OmegaConf.to_container(OmegaConf.load(file))
    assert (ours["g"], ours["h"], ours["i"]) == (1e-3, 1e5, 1.5e3)


def test_dates_stay_text_and_nothing_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("when: 2024-01-31\n")
    (tmp_path / "b.yaml").write_text("")
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "a.yaml") == {"when": "2024-01-31"}
    assert read_yaml(tmp_path / "b.yaml") is None
    assert read_yaml(tmp_path / "c.yaml") == {"a": 1}


BAD_YAML = {
    "tab": ("a:\n\tb: 1\n", ":2: not YAML (found character that cannot start any token); "
            "indent with spaces, not tabs"),
    "colon": ("a: b: c\n", ":1: not YAML (mapping values are not allowed in this context); "
              "fix that line"),
    "open quote": ("a: 'b\n", ":2: not YAML (found unexpected end of stream); fix that line"),
    "two documents": ("a: 1\n---\nb: 1\n", ":2: not YAML (but found another document); "
                      "fix that line"),
    "no such anchor": ("a: *b\n", ":1: not YAML (found undefined alias); fix that line"),
    "same key": ("a: 1\nb: 2\na: 3\n", ":3: key 'a' occurs twice; fix that line"),
    "python tag": ("- !!python/name:os.system\n", ":1: tag tag:yaml.org,2002:python/name:"
                   "os.system: tags are not read; fix that line"),
    "own tag": ("a: !x 1\n", ":1: tag !x: tags are not read; fix that line"),
    "list as key": ("? [1]\n: 2\n", ":1: found unhashable key; fix that line"),
    "no digits": ("a: 0x_\n", ":1: invalid literal for int() with base 16: ''; fix that line"),
    "5000 digits": (f"a: {'9' * 5000}\n", ":1: Exceeds the limit (4300 digits) for integer string "
                    "conversion: value has 5000 digits; fix that line"),
    "alias of itself": ("a: &a\n  b: *a\n", ":2: *a is an alias of what it stands in; "
                        "fix that line"),
    "bomb": ("".join(TENS), ":4: aliases stand for more than 10,000 values; fix that line"),
    "deep lists": ("[" * 300_000, f":1: lists and mappings {DEEP}; fix that line"),
    "deep blocks": ("- " * 300_000, f":1: lists and mappings {DEEP}; fix that line"),
    "deep by aliases": ("- &a0 [1]\n" + "".join(f"- &a{i + 1} [*a{i}]\n" for i in range(60)),
                        f": lists and mappings {DEEP}"),
    "NUL": ("a: 1\nb: \0\n", ":2: control characters are not allowed (U+0000); "
            "remove the character"),
    "latin-1": ("a: 1\nb: é\n".encode("latin-1"), ":2: byte 0xe9 is not UTF-8; save it as UTF-8"),
    "too large": ("#" * 1_100_000,
                  ": cannot be read (1,100,000 bytes, more than the 1,000,000 allowed)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_YAML)
def test_bad_yaml(name: str, tmp_path: Path) -> None:
    content, message = BAD_YAML[name]
    file = tmp_path / "bad.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_yaml(file)
    assert str(caught.value) == f"{file}{message}"


BAD_JSON = {
    "comma": ('{"a": 1,\n}', ":2: not JSON (expecting property name enclosed in double quotes)"),
    "cut short": ('{"a": "b', ":1: not JSON (unterminated string)"),
    "empty": ("", ":1: not JSON (expecting value)"),
    "deep": ("[" * 300_000, f": lists and mappings {DEEP}"),
    "a little deep": ('{"a":' * 51 + "1" + "}" * 51, f": lists and mappings {DEEP}"),
    "5000 digits": ("9" * 5000, ": Exceeds the limit (4300 digits) for integer string conversion: "
                    "value has 5000 digits"),
    "binary": (b"\x80\x04", ":1: byte 0x80 is not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_json(name: str, tmp_path: Path) -> None:
    content, message = BAD_JSON[name]
    file = tmp_path / "bad.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecordError) as caught:
        read_json(file, RecordError, remedy="train again")
    assert str(caught.value) == f"{file}{message}; train again"


def test_good_json(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None, "é"], "b": {"c": {}}}
    (tmp_path / "good.json").write_text(json.dumps(content))
    assert read_json(tmp_path / "good.json") == content
    (tmp_path / "nan.json").write_text("[NaN]")
    assert math.isnan(read_json(tmp_path / "nan.json")[0])


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    for place, what in (
        (tmp_path, "cannot be read (not a regular file but a folder)"),
        (Path("/dev/zero"), "cannot be read (not a regular file but a device)"),
        (tmp_path / ("x" * 300), "cannot be read (File name too long)"),
        (tmp_path / "a\0b", "cannot be read (embedded null byte)"),
    ):
        with pytest.raises(ConfigError) as caught:
            read_text(place)
        assert str(caught.value) == f"{place}: {what}"
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "absent")
