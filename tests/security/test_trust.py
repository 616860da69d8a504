"""What another person's config may have built: every way to more leaves a canary untouched."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models.resnet import ResNet as TorchvisionResNet

from fovea.config.build import build, factory
from fovea.config.compose import compose_run
from fovea.config.errors import ConfigError, DataError
from fovea.config.trust import KINDS, named, require_trusted
from fovea.models.mlp import MLP

HUB = {"_target_": "torch.hub.load", "repo_or_dir": ".", "source": "local", "model": "evil"}
CODE = """
from pathlib import Path
from torch import nn
from torch.optim import SGD, Optimizer
from fovea.config.errors import DataError
Path("CANARY").touch()

class Net(nn.Module):
    def __init__(self, width=1, inner=None, num_classes=None, in_channels=None, image_size=None):
        super().__init__()
        if width == 0:
            raise DataError("width=0: nothing to see")
        self.width, self.inner, self.bad = width, inner, 1 / (width - 1000)

class Plain:
    def __init__(self, **_): Path("CALLED").touch()

def sgd(model, lr=1.0) -> SGD:
    return SGD(model.parameters(), lr=lr)

def anything(**_):
    Path("CALLED").touch()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a package ``evil``, which leaves CANARY behind if it is imported."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "__init__.py").touch()
    (tmp_path / "evil" / "net.py").write_text(CODE)
    (tmp_path / "hubconf.py").write_text("open('CANARY', 'w')\ndef evil(): open('CANARY', 'w')\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [each for each in sys.modules if each.partition(".")[0] == "evil"]:
        del sys.modules[name]


def refusal(kind: str, node: dict[str, Any]) -> str:
    """Return the line by which building a node is refused."""
    with pytest.raises(ConfigError) as error:
        build(kind, node)
    text = str(error.value)
    assert len(text) <= 300
    assert text.isprintable()
    return text


# Names.

FOREIGN = [
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "torch.hub.load",
    "torch.load",
    "torch.jit.load",
    "torch.serialization.load",
    "torch.package.PackageImporter",
    "torch.utils.cpp_extension.load",
    "torch.nnx.Module",
    "torchvisionx.models.Net",
    "foveax.Net",
    "hydra.utils.instantiate",
    "runpy.run_path",
    "evil.net.Net",
    "numpy.load",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", FOREIGN)
def test_a_package_that_is_not_trusted_is_not_imported(
    kind: str, target: str, folder: Path
) -> None:
    before = set(sys.modules)
    with pytest.raises(ConfigError, match=r"FOVEA_TRUST") as error:
        require_trusted({kind: {"_target_": target}})
    assert len(str(error.value)) <= 300
    assert refusal(kind, {"_target_": target}) == str(error.value)
    assert set(sys.modules) == before
    assert not (folder / "CANARY").exists()


def test_the_line_says_how_to_trust() -> None:
    config = {"model": {"_target_": "fovea.models.mlp.MLP", "inner": [{"_target_": "evil.Net"}]}}
    with pytest.raises(ConfigError) as error:
        require_trusted(config, "experiments/x/sweep.yaml")
    assert str(error.value) == (
        "experiments/x/sweep.yaml: model.inner.0._target_=evil.Net: 'evil' is not trusted; "
        "if you trust its code: FOVEA_TRUST=evil (or a line in ~/.config/fovea/trust)"
    )


def test_the_line_says_what_fits() -> None:
    assert refusal("model", HUB) == (
        "model._target_=torch.hub.load: a model is an nn.Module, from fovea, torch.nn, "
        "torchvision, timm or a package that FOVEA_TRUST names"
    )


ODD = [None, 3, "", "Net", ".", "a..b", "os;x.Net", "evil\x1b[2J.Net", ["a.b"], "ev" + "i" * 999]


@pytest.mark.parametrize("target", ODD, ids=repr)
def test_an_odd_name(target: Any) -> None:
    assert "not the dotted path of a class" in refusal("model", {"_target_": target})


@pytest.mark.parametrize("target", [f"{'e' * 500}.N", f"torch.{'e' * 500}", "e" * 500])
@pytest.mark.parametrize("kind", KINDS)
def test_long_names_and_places_fit_a_line(kind: str, target: str) -> None:
    with pytest.raises(ConfigError) as error:
        require_trusted({kind: {"k" * 500: {"_target_": target}}}, "f" * 500)
    assert len(str(error.value)) <= 300


# What the name turns out to be.

WRONG = [
    ("model", "torch.nn.functional.relu", "a function; a model is an nn.Module"),
    ("model", "torch.nn.functional", "a module; a model is an nn.Module"),
    ("model", "torch.nn.functional.torch", "a module; a model is an nn.Module"),
    ("model", "torch.nn.functional.torch.load", "ModuleNotFoundError: "),
    ("model", "fovea.models.resnet.nn.Linear", "ModuleNotFoundError: "),
    ("model", "fovea.training.assemble.torch.hub.load", "ModuleNotFoundError: "),
    ("model", "fovea.config.paths.os.system", "ModuleNotFoundError: "),
    ("model", "fovea.config.paths.os", "a module; a model is an nn.Module"),
    ("model", "fovea.training.assemble.restore", "a function; a model is an nn.Module"),
    ("model", "fovea.records.RunFolder", "a class; a model is an nn.Module"),
    ("model", "fovea.config.build.partial", "a class; a model is an nn.Module"),
    ("model", "torchvision.io.read_file", "a function; a model is an nn.Module"),
    ("model", "torchvision.models.list_models", "a function; a model is an nn.Module"),
    ("model", "torchvision.datasets.folder.DatasetFolder", "a class; a model is an nn.Module"),
    ("model", "torch.nn.NoSuchLayer", "AttributeError: "),
    ("loss", "torchvision.models.get_model", "a function; a loss is an nn.Module"),
    ("loss", "torchmetrics.functional.accuracy", "a function; a loss is an nn.Module"),
    ("optimizer", "fovea.optim.optimizers.parameter_groups", "does not say it returns one"),
    ("optimizer", "fovea.models.mlp.MLP", "a class; an optimizer is a torch Optimizer"),
    ("optimizer", "torch.optim.lr_scheduler.LambdaLR", "a class; an optimizer is"),
    ("callbacks", "pytorch_lightning.Trainer", "a class; a callback is Lightning's"),
    (
        "data",
        "fovea.data.sources.digits.Digits",
        "a class; data is fovea's Data, a LightningDataModule",
    ),
    ("source", "fovea.models.mlp.MLP", "a class; a source has"),
    ("augment", "fovea.records.RunFolder", "a class; an augmentation is callable"),
    ("schedule", "fovea.models.mlp.MLP", "a class; a schedule is"),
    ("task", "fovea.models.mlp.MLP", "a class; a task is"),
    ("trainer", "fovea.records.RunFolder", "a class; it is fovea's TrainerSettings"),
    ("probe", "fovea.records.RunFolder", "a class; a probe is callable"),
    ("metrics", "fovea.records.RunFolder", "a class; a metric is fovea's Metric"),
    ("metrics", "torchmetrics.Accuracy", "a metric is fovea's Metric, from fovea or"),
    ("metric", "torch.nn.Linear", "it is a torchmetrics Metric, from fovea, torchmetrics or"),
    (
        "tracking",
        "pytorch_lightning.Trainer",
        "is a Lightning logger, from fovea, pyt",
    ),
    ("tracking", "fovea.records.RunFolder", "a class; a tracker has"),
    ("launcher", "fovea.records.RunFolder", "a class; a launcher has"),
]


@pytest.mark.parametrize(("kind", "target", "reason"), WRONG, ids=[f"{w[0]}-{w[1]}" for w in WRONG])
def test_what_does_not_fit_is_not_called(kind: str, target: str, reason: str) -> None:
    told = refusal(kind, {"_target_": target})
    assert told.startswith(f"{kind}._target_={target}: ")
    assert reason in told


def test_a_class_that_a_trusted_module_has_from_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Foreign(nn.Module):
        def __init__(self) -> None:
            Path("CALLED").touch()

    Foreign.__module__ = "evil.net"
    monkeypatch.setattr("fovea.models.mlp.Foreign", Foreign, raising=False)
    told = refusal("model", {"_target_": "fovea.models.mlp.Foreign"})
    assert told.startswith("model._target_=fovea.models.mlp.Foreign: of evil.net; 'evil' is not")
    assert not (folder / "CALLED").exists()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "callbacks"])
def test_nested_targets_are_refused_wherever_they_are(kind: str, folder: Path) -> None:
    good = {"_target_": "fovea.models.mlp.MLP"}
    for key in ("inner", "source", "launcher", "callbacks"):
        for hidden in ({key: HUB}, {key: [HUB]}, {key: {"a": [[HUB]]}}, {"_args_": [HUB]}):
            for partial in ({}, {"_partial_": True}):
                node = {**good, **hidden, **partial}
                with pytest.raises(ConfigError, match=r"torch\.hub\.load"):
                    require_trusted({kind: node})
                if kind == "model":
                    assert "torch.hub.load" in refusal(kind, node)
    assert not (folder / "CANARY").exists()


# What a library's constructor would load.


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A stand-in for timm, with what its function was called with."""
    calls: list[tuple[Any, ...]] = []

    def create_model(
        model_name: str,
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        checkpoint_path: Any = None,
        **kwargs: Any,
    ) -> nn.Module:
        calls.append((model_name, pretrained, pretrained_cfg, checkpoint_path, kwargs))
        return nn.Identity()

    create_model.__module__ = "timm.models._factory"
    module = ModuleType("timm")
    module.create_model = create_model  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "timm", module)
    return calls


TIMM = {"_target_": "timm.create_model", "model_name": "resnet18"}
LOADS = [
    {**TIMM, "checkpoint_path": "evil.pth"},
    {**TIMM, "pretrained_cfg": {"file": "evil.pth"}},
    {**TIMM, "pretrained_cfg": {"url": "http://x/evil.pth"}},
    {**TIMM, "pretrained_cfg_overlay": {"file": "evil.pth"}},
    {**TIMM, "cache_dir": "elsewhere"},
    {**TIMM, "model_name": "hf-hub:evil/net"},
    {**TIMM, "model_name": "hf_hub:evil/net"},
    {**TIMM, "model_name": "local-dir:."},
    {"_target_": "timm.create_model", "_args_": ["local-dir:."]},
    {"_target_": "timm.create_model", "_args_": ["resnet18", False, {"file": "evil.pth"}]},
    {"_target_": "timm.create_model", "_args_": ["resnet18", False, None, "evil.pth"]},
]


@pytest.mark.parametrize("node", LOADS, ids=str)
def test_timm_loads_no_file_of_a_config(node: dict[str, Any], timm: list[Any]) -> None:
    refusal("model", node)
    assert timm == []


def test_timm_makes_its_own_models(timm: list[Any]) -> None:
    build("model", {**TIMM, "pretrained": True, "drop_path_rate": 0.1}, num_classes=10)
    assert timm == [("resnet18", True, None, None, {"drop_path_rate": 0.1, "num_classes": 10})]


def test_a_metric_as_a_loss_loads_no_file() -> None:
    node = {"_target_": "torchmetrics.MeanMetric", "model_name_or_path": "evil"}
    assert "may not have torchmetrics.MeanMetric load a file" in refusal("loss", node)


# What is built.


def test_a_network_of_torchvision() -> None:
    node = {"_target_": "torchvision.models.get_model", "name": "resnet18", "weights": None}
    assert isinstance(build("model", node, num_classes=3), TorchvisionResNet)


def test_layers_within_layers() -> None:
    block = [{"_target_": "torch.nn.Linear", "_args_": [3, 4]}, {"_target_": "torch.nn.ReLU"}]
    model = build("model", {"_target_": "torch.nn.Sequential", "_args_": block})
    assert [type(each) for each in model] == [nn.Linear, nn.ReLU]
    assert model(torch.zeros(2, 3)).shape == (2, 4)


def test_a_partial_is_called_later() -> None:
    linear = {"_target_": "torch.nn.Linear", "_partial_": True, "in_features": 3}
    made = build("model", {"_target_": "torch.nn.ModuleDict", "_args_": [{}]})
    assert len(made) == 0
    optimizer = factory("optimizer", {"_target_": "fovea.optim.optimizers.sgd", "lr": 0.5})
    layer = build("model", linear, out_features=2)
    assert optimizer(model=layer).param_groups[0]["lr"] == 0.5
    assert optimizer(layer).param_groups[0]["lr"] == 0.5
    assert pickle.loads(pickle.dumps(optimizer))(layer).param_groups[0]["lr"] == 0.5


def test_a_config_of_a_record_is_plain_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "canary")
    node = {"_target_": "fovea.data.sources.image_folder.ImageFolder", "folder": "${oc.env:SECRET}"}
    config = compose_run([])["data"]
    data = build("data", {**config, "source": node, "root": "${oc.env:SECRET}"})
    assert data.source.folder == "${oc.env:SECRET}"
    assert str(data.root) == "${oc.env:SECRET}"


def test_lists_of_a_config_are_not_shared() -> None:
    node = {"_target_": "torch.nn.ParameterList", "_args_": [sizes := [1.0, 2.0]]}
    build("model", node)
    assert sizes == [1.0, 2.0]


# Packages that the user has named.


@pytest.fixture
def trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOVEA_TRUST", "other, evil")
    return folder


def test_a_named_package_is_found_in_the_working_folder(trusted: Path) -> None:
    node = {"_target_": "evil.net.Net", "width": 3, "inner": {"_target_": "evil.net.Net"}}
    require_trusted({"model": node})
    assert not (trusted / "CANARY").exists()
    model = build("model", node)
    assert (model.width, model.inner.width) == (3, 1)
    assert isinstance(pickle.loads(pickle.dumps(model)), type(model))


def test_only_what_fits_is_called_of_a_named_package(trusted: Path) -> None:
    assert "a class; a model is" in refusal("model", {"_target_": "evil.net.Plain"})
    assert "does not say" in refusal("model", {"_target_": "evil.net.anything"})
    assert "does not say" in refusal("optimizer", {"_target_": "evil.net.anything"})
    assert "a class; a launcher" in refusal("launcher", {"_target_": "evil.net.Net"})
    assert not (trusted / "CALLED").exists()
    assert build("optimizer", {"_target_": "evil.net.sgd"}, model=MLP(10, 1, 8)).defaults["lr"] == 1


def test_what_a_constructor_raises(trusted: Path) -> None:
    with pytest.raises(DataError, match=r"^width=0: nothing to see$"):
        build("model", {"_target_": "evil.net.Net", "width": 0})
    assert refusal("model", {"_target_": "evil.net.Net", "width": 1000}) == (
        "model._target_=evil.net.Net: ZeroDivisionError: division by zero (net.py:13)"
    )
    told = refusal("model", {"_target_": "evil.net.Net", "depth": 1})
    assert told.endswith("TypeError: Net.__init__() got an unexpected keyword argument 'depth'")


def test_a_line_of_the_users_file(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    (config / "fovea").mkdir()
    (config / "fovea" / "trust").write_text("# mine\nother\nevil  # a friend's\nnot a name\n")
    assert named() == ("other", "evil")
    monkeypatch.setenv("FOVEA_TRUST", "third")
    assert named() == ("third", "other", "evil")


@pytest.mark.parametrize("given", [".config", "{folder}", "{folder}/.config"])
def test_no_file_of_the_working_folder_trusts(
    given: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", given.format(folder=folder))
    for config in (folder, folder / ".config"):
        (config / "fovea").mkdir(parents=True)
        (config / "fovea" / "trust").write_text("evil\n")
    assert named() == ()
    assert "'evil' is not trusted" in refusal("model", {"_target_": "evil.net.Net"})
    assert not (folder / "CANARY").exists()
