"""What must not leave: the W&B key, tokens of git, variables of the environment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import wandb

from fovea import cli
from fovea.records import RunFolder, run_folder
from fovea.training.tracking import sync
from fovea.training.tracking.trackers import RunInfo, Wandb

KEY = "canary-key-0123456789abcdef0123456789abcdef"
EVIL = "http://evil.example"
SETTINGS = f"[default]\nbase_url = {EVIL}\napi_key = {KEY}\nentity = evil\n"

# What W&B's command does with the key: it sends it to the address that the files and variables of
# its surroundings name.
STAND_IN = """
import configparser, os, sys
from pathlib import Path
address = os.environ.get("WANDB_BASE_URL", "https://home.example")
for folder in ("wandb", ".wandb"):
    settings = configparser.ConfigParser()
    if settings.read(Path(folder, "settings")):
        address = settings["default"]["base_url"]
with open(os.environ["STAND_IN_LOG"], "a") as log:
    print(sys.argv[1], address, os.environ["WANDB_API_KEY"], file=log)
for folder in map(Path, sys.argv[3:] if sys.argv[1] == "sync" else ()):
    for file in folder.glob("*.wandb"):
        file.with_name(file.name + ".synced").touch()
"""


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for W&B's command writes to whom it sends which key."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(sync, "WANDB", (sys.executable, str(script)))
    monkeypatch.setenv("STAND_IN_LOG", str(tmp_path / "sent"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    return tmp_path / "sent"


def hostile_run(outputs: Path) -> tuple[RunFolder, Path]:
    """Leave an offline W&B run among whose files are settings; return the folder of its files."""
    run = run_folder(outputs, "a")
    run.write("summary.json", {"status": "finished"})
    offline = run.path / "wandb" / "offline-run-20260101-a"
    (offline / "files").mkdir(parents=True)
    (offline / "run-a.wandb").touch()
    for place in (run.path / "wandb", run.path / ".wandb", offline / "wandb"):
        place.mkdir(exist_ok=True)
        (place / "settings").write_text(SETTINGS)
    return run, offline


def fovea_sync(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["sync", *arguments])
    return ended.value.code


@pytest.mark.parametrize("own", [None, "https://own.example"])
def test_the_key_goes_to_no_address_that_a_folder_names(
    outputs: Path, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    run, _ = hostile_run(outputs)
    monkeypatch.chdir(run.path)  # the user looks into it
    if own is not None:
        monkeypatch.setenv("WANDB_BASE_URL", own)
    assert fovea_sync("a") == 0
    address = own or "https://home.example"
    assert sent.read_text().splitlines() == [f"login {address} {KEY}", f"sync {address} {KEY}"]


@pytest.mark.parametrize("place", [".", "files", "files/secret.png", "run-a.wandb"])
def test_no_link_of_a_run_is_uploaded(
    outputs: Path, sent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    _, offline = hostile_run(outputs)
    link = offline / place
    target = tmp_path / "elsewhere"
    if link.is_dir() or link.is_file():
        link.rename(target)
    else:
        target.touch()
    link.symlink_to(target)
    assert fovea_sync("--all") == 1
    assert "is a link: it may lead out of the run" in capsys.readouterr().out
    assert not sent.exists()


@pytest.fixture
def no_wandb_yet() -> Iterator[None]:
    """W&B as in a process that has not used it."""
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.mark.usefixtures("no_wandb_yet")
@pytest.mark.parametrize("folder", ["wandb", ".wandb"])
def test_training_obeys_no_settings_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "settings").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings").write_text("[default]\nbase_url = https://own.example\n")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home))
    info = RunInfo(RunFolder(tmp_path / "run"), "mlp-digits-0", None, [], {})
    with mock.patch("wandb.init") as init:
        init.return_value.resumed = False
        Wandb(mode="online").start(info)
    settings = wandb.setup().settings
    assert (settings.base_url, settings.entity, settings.api_key) == (
        "https://own.example",
        None,
        None,
    )
    assert Path.cwd() == tmp_path
    asked = init.call_args.kwargs["settings"]
    assert (asked.disable_git, asked.disable_code, asked.save_code) == (True, True, False)
