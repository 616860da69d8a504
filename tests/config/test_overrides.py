"""Overrides: what is quoted for Hydra's grammar, what is counted, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fovea.config.compose import compose_run, config_loader
from fovea.config.errors import ConfigError
from fovea.config.options import options
from fovea.config.overrides import expand, from_mapping, parse_overrides, quoted, require_few


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("seed=0,1", "seed=0,1"),
        ("data.root=~/data", "data.root=/home/me/data"),
        ("data.root=~", "data.root=/home/me"),
        ("outputs=~/a b/é", "outputs='/home/me/a b/é'"),
        ("data.root=/scans/é,~/scans", "data.root='/scans/é',/home/me/scans"),
        ("data.root='~/data'", "data.root='~/data'"),  # quoted already
        ("model=glob(*,exclude=é)", "model=glob(*,exclude=é)"),
        ("~probe", "~probe"),
    ],
)
def test_quoted(given: str, read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert quoted(given) == read


def test_no_such_user() -> None:
    with pytest.raises(ConfigError) as caught:
        quoted("data.root=~nobodyhere/data")
    assert str(caught.value) == "data.root=~nobodyhere/data: no home folder of ~nobodyhere"


def test_a_tilde_and_letters_beyond_ascii_reach_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/mé")
    config = compose_run([quoted("data.root=~/data"), quoted("outputs=/müll/x")])
    assert config["data"]["root"] == "/home/mé/data"
    assert config["outputs"] == "/müll/x"


@pytest.mark.parametrize(
    ("overrides", "runs"),
    [
        (["seed=range(10000)"], None),
        (["seed=range(10001)"], "10,001"),
        (["seed=range(0,1,0.00005)"], "20,000"),
        (["seed=range(20000,0,-1)"], "20,000"),
        (["seed=range(0,1000000000000)", "epochs=1,2"], "2,000,000,000,000"),
        (["seed=range(0,1e30)"], "1e+30"),
        (["seed=range(0,9000)", "seed=0,1"], None),  # the last one of a key counts
        (["seed=range(5000)", "model=glob(*)"], f"{5000 * len(options('model')):,}"),
        (["seed=range(5,0)"], None),
    ],
)
def test_runs_are_counted_before_the_grid_is_expanded(
    overrides: list[str], runs: str | None
) -> None:
    with config_loader() as loader:
        grid = parse_overrides(overrides, loader)
        if runs is None:
            require_few([grid])
            return
        with pytest.raises(ConfigError) as caught:
            require_few([grid])
    assert str(caught.value) == f"{runs} runs: more than the 10,000 of one sweep; split the grid"


@pytest.mark.parametrize(
    ("overrides", "runs"),
    [
        (["model=mlp,vgg", "seed=0,1"], ["mlp 0", "mlp 1", "vgg 0", "vgg 1"]),
        (["model=choice(vgg,mlp)", "seed=3"], ["vgg 3", "mlp 3"]),
        (["model=sort(vgg,mlp)", "seed=3"], ["mlp 3", "vgg 3"]),
        (["model=mlp", "seed=range(1,8,3)"], ["mlp 1", "mlp 4", "mlp 7"]),
        (["model=glob(l*)", "seed=range(2)"], ["lenet5 0", "lenet5 1"]),
        (["model=glob([a*,m*],exclude=*x*)", "seed=0"], ["mlp 0"]),
        (["model=mlp", "seed=range(2,0,-1)", "model=vgg"], ["vgg 2", "vgg 1"]),
        (["model=mlp", "seed=range(0)"], []),
        (["+a@b='é x',{c: [1,2]}", "~d"], ["'é x' null", "{c:[1,2]} null"]),
    ],
)
def test_the_runs_of_a_grid(overrides: list[str], runs: list[str]) -> None:
    with config_loader() as loader:
        jobs = expand(parse_overrides(overrides, loader))
    assert [" ".join(each.partition("=")[2] for each in job) for job in jobs] == runs
    keys = list(dict.fromkeys(each.partition("=")[0] for each in overrides))
    assert all([each.partition("=")[0] for each in job] == keys for job in jobs)


def test_an_interval_is_no_grid() -> None:
    with pytest.raises(ConfigError) as caught:
        require_few([parse_overrides(["optimizer.lr=interval(0,1)"])])
    assert str(caught.value) == (
        "optimizer.lr=interval(0,1): no list of values; give a,b or range(START,STOP,STEP)"
    )


def test_arms_are_counted_together() -> None:
    with pytest.raises(ConfigError, match=r"^18,000 runs: "):
        require_few([parse_overrides(["seed=range(9000)"])] * 2)


@pytest.mark.parametrize("ends", ["0,1,0", "0,inf", "0,nan"])
def test_a_range_without_an_end(ends: str) -> None:
    with pytest.raises(ConfigError, match=r"a range that never ends$"):
        require_few([parse_overrides([f"optimizer.lr=range({ends})"])])


def test_overrides_of_a_mapping() -> None:
    values: dict[str, Any] = {"model": "mlp,vgg", "a": None, "b": True, "c": [1, 2], "d": "~/é"}
    assert from_mapping(values, "params") == [
        "model=mlp,vgg",
        "a=null",
        "b=true",
        "c=[1, 2]",
        f"d='{Path.home()}/é'",
    ]
    assert from_mapping(None, "params") == []
    for bad, message in (
        (["a"], "params: should be a mapping (KEY: VALUES), not ['a']"),
        ({"a": {"b": 1}}, "params.a: should be a value or a list, not {'b': 1}"),
    ):
        with pytest.raises(ConfigError) as caught:
            from_mapping(bad, "params")
        assert str(caught.value) == message
