"""The layers, what may be imported at all, and what before a command needs it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
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


def imported(file: Path) -> Iterator[str]:
    """Yield the top-level packages that a file imports, in functions too."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


def normal(distribution: str) -> str:
    """Return the one spelling of a distribution's name, without its version and extras."""
    name = re.match(r"[\w.-]+", distribution)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {normal(each) for names in lists for each in names}
    files = (ROOT / "src").rglob("*.py")
    names = {name for file in files for name in imported(file)}
    foreign = names - sys.stdlib_module_names - {"fovea"}
    assert {"torch", "yaml", "datasets"} < foreign
    known = packages_distributions()  # not those of an extra that is not installed
    undeclared = {
        name for name in foreign if declared.isdisjoint(map(normal, known.get(name, [name])))
    }
    assert undeclared == set()


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
