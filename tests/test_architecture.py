"""The layers, and what may be imported before a command needs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "torch torchvision torchmetrics pytorch_lightning wandb matplotlib pandas sklearn PIL altair"
)


def test_imports_go_strictly_downward() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
    assert "1 kept, 0 broken" in result.stdout


OF_PROBLEMS = ("problems", "models", "data", "augment", "bench", "_templates")
WORDS = re.compile(
    "image_size|in_channels|num_classes|per_class|confusion|ImageData|Classification"
    "|images_per_second|(train|val|test)/accuracy"
)
OF_OLD_RECORDS = {"config/renamed.py"}


def test_the_core_knows_no_problem() -> None:
    package = ROOT / "src" / "fovea"
    core = [
        file
        for file in package.rglob("*")
        if file.suffix in (".py", ".html", ".js", ".css", ".yaml")
        and file.relative_to(package).parts[0] not in OF_PROBLEMS
    ]
    assert len(core) > 80
    found = {
        str(file.relative_to(package)) for file in core if WORDS.search(file.read_text("utf-8"))
    }
    assert found == OF_OLD_RECORDS


@pytest.mark.parametrize(
    "code",
    [
        "import fovea.cli",
        "import fovea.commands.list, fovea.commands.runs, fovea.commands.table",
        "import fovea.commands.test, fovea.commands.predict, fovea.commands.completion",
        "import fovea.commands.report, fovea.commands.compare, fovea.commands.sync",
        "from fovea.config.compose import compose_run\n"
        "from fovea.config.schema import validate\n"
        "validate(compose_run(['model=resnet', 'optimizer=muon']))",
        "import fovea.commands.train\n"
        "from fovea.sweep.plan import plan_experiment\n"
        "plan_experiment('quickstart')",
    ],
)
def test_nothing_heavy_is_imported_early(code: str) -> None:
    script = f"{code}\nimport sys\nprint(*sorted(set('{HEAVY}'.split()) & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
