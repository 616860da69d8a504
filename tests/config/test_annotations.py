"""Annotations as types: what is understood, and that nothing of a file's source text is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from annotated_types import Ge, Lt

from fovea.config.annotations import resolve
from fovea.config.errors import ConfigError
from fovea.config.schema import signature_schema
from fovea.config.types import PositiveInt

MEANT = [
    ("int", int),
    ("None", None),
    ("'int'", int),
    ("PositiveInt | None", PositiveInt | None),
    ("Optional[int]", Optional[int]),  # noqa: UP045
    ("typing.Sequence[str]", Sequence[str]),
    ("collections.abc.Mapping[str, list[float]]", Mapping[str, list[float]]),
    ("tuple[int, ...]", tuple[int, ...]),
    ("Callable[[int], str]", Callable[[int], str]),
    ("Literal['auto', 3, -1, True, None]", Literal["auto", 3, -1, True, None]),
    ("Literal['auto'] | bool", Literal["auto"] | bool),
    ("Annotated[int, Ge(-1), Lt(8)]", Annotated[int, Ge(-1), Lt(8)]),
]
UNKNOWN = ["Tensor", "Tensor | None", "np.ndarray", "3", "int | 3", "[int]", "int[str]", "int()"]
HOSTILE = [
    "__import__('pathlib').Path('CANARY').touch()",
    '\'__import__("pathlib").Path("CANARY").touch()\'',
    'list[\'__import__("pathlib").Path("CANARY").touch()\']',
    'Optional[\'__import__("pathlib").Path("CANARY").touch()\']',
    "Literal[__import__('pathlib').Path('CANARY').touch()]",
    "Annotated[int, Ge(open('CANARY', 'w').write('x'))]",
    "Annotated[int, open('CANARY', 'w')]",
    "[open('CANARY', 'w') for _ in '1']",
    "(lambda: open('CANARY', 'w'))()",
    "int if open('CANARY', 'w') else str",
    "typing.sys.modules['pathlib'].Path('CANARY').touch()",
    "collections.abc.sys.modules['builtins'].open('CANARY', 'w')",
    "(found := open('CANARY', 'w'))",
    'f\'{open("CANARY", "w")}\'',
]


def read(text: str) -> Any:
    return resolve(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(("text", "meant"), MEANT, ids=[text for text, _ in MEANT])
def test_what_is_meant(text: str, meant: Any) -> None:
    assert read(text) == meant


@pytest.mark.parametrize("text", UNKNOWN)
def test_all_else_is_any(text: str) -> None:
    assert read(text) is Any


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_run(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as an annotation, nor in an alias, nor by pydantic, nor by importing a parent."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "path" / f"hostile_{abs(hash(text))}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("open('CANARY', 'w')\n")
    (package / "net.py").write_text(
        f"open('CANARY', 'w')\nAlias = list[{text}]\n\n"
        f"class Net:\n    def __init__(self, depth: {text}, width: Alias = {text}): ...\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    read(text)
    schema = signature_schema(f"{package.name}.net.Net")
    assert schema is not None
    schema.model_validate({"depth": 1, "width": "any"})
    assert package.name not in sys.modules
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize(
    "argument",
    ["__base__: int", "__validators__: int", "_private: int", "model_config: int", "json: int"],
)
def test_an_argument_that_no_schema_can_have(
    argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"odd_{argument.partition(':')[0].strip('_')}"
    (tmp_path / f"{name}.py").write_text(f"def net({argument}): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert signature_schema(f"{name}.net") is None


def test_a_file_that_is_not_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_net.py").write_text("\nclass Net(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"broken_net\.py:2: cannot be read as Python"):
        signature_schema("broken_net.Net")


def test_folders_without_init_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "inner" / "net.py").write_text("open('CANARY', 'w')\nclass Net: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert signature_schema("outer.inner.net.Net") is None
    assert "outer" not in sys.modules
    assert not (tmp_path / "CANARY").exists()
