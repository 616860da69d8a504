"""Bad input of every kind: exit code 2, one short line that says what is wrong, nothing written.

One row is one mistake; all run in this process.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from fovea.cli import main


@dataclass(frozen=True)
class Mistake:
    """One row of the table.

    Args:
        name: of the case.
        command: what follows ``fovea``, in words; ``{here}`` is the working folder.
        words: what the line on standard error contains.
        files: what the working folder holds, by relative path.
        variables: of the environment; ``{here}`` is the working folder.
    """

    name: str
    command: str | list[str]
    words: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def sweep(name: str, content: str | bytes, words: str, command: str = "status mine") -> Mistake:
    """A mistake in the file of an experiment, ``experiments/mine/sweep.yaml``."""
    return Mistake(name, command, words, {"experiments/mine/sweep.yaml": content})


MISTAKES = [
    Mistake("unknown option", "train model=resnte", "did you mean 'resnet'?"),
]


@pytest.fixture
def _hydra() -> Iterator[None]:
    """Leave Hydra, the arguments and the logging as they were."""
    arguments, level, handlers = sys.argv, logging.root.level, list(logging.root.handlers)
    yield
    GlobalHydra.instance().clear()
    sys.argv = arguments
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.usefixtures("_hydra")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_one_line_and_leaves_nothing(
    mistake: Mistake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name, content in mistake.files.items():
        file = here / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(here)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # the command sets it
    monkeypatch.setenv("FOVEA_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("FOVEA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "cache"))
    for name, value in mistake.variables.items():
        monkeypatch.setenv(name, value.replace("{here}", str(here)))
    words = mistake.command.split() if isinstance(mistake.command, str) else mistake.command
    before = below(tmp_path)

    with pytest.raises(SystemExit) as ended:
        main([word.replace("{here}", str(here)) for word in words])

    told = capfd.readouterr()
    assert told.err.startswith("fovea: ")
    assert told.err.count("\n") == 1
    assert told.err.endswith("\n")
    assert len(told.err) <= 301
    assert mistake.words.replace("{here}", str(here)) in told.err
    assert told.out == ""
    assert ended.value.code == 2
    assert below(tmp_path) == before
