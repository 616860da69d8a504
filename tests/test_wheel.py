"""The installed wheel: configs, experiments and templates come with it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files, as an installer lays them out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def fovea(installed: Path, folder: Path, *arguments: str) -> str:
    """Run the wheel's ``fovea`` in a folder; the checkout is not on its path."""
    script = (
        f"import sys; sys.path[:] = [{str(installed)!r}, "
        "*(each for each in sys.path if not each.endswith('/src'))]; "
        "import fovea; assert fovea.__file__.startswith(sys.path[0]), fovea.__file__; "
        "from fovea.cli import main; main(sys.argv[1:])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder,
        env=os.environ | {"FOVEA_OUTPUTS": str(folder / "outputs")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_its_options_and_experiments_are_found(installed: Path, tmp_path: Path) -> None:
    assert "resnet" in fovea(installed, tmp_path, "list", "model")
    assert "quickstart" in fovea(installed, tmp_path, "list", "experiment")
    assert "9 runs: 9 missing" in fovea(installed, tmp_path, "status", "quickstart")


def test_it_writes_a_problem(installed: Path, tmp_path: Path) -> None:
    told = fovea(installed, tmp_path, "new", "problem", "waves")
    assert told.splitlines()[-1] == "next: FOVEA_TRUST=waves fovea train experiment=waves"
    assert (tmp_path / "waves" / "task.py").is_file()
    assert "_target_: waves.task.SeriesTask" in (tmp_path / "conf/task/waves.yaml").read_text()
