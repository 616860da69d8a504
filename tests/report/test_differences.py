"""What tells runs from each other."""

from __future__ import annotations

from fovea.config.compose import compose_run
from fovea.report.differences import differing_settings, run_settings


def told(*overrides: str) -> dict[str, object]:
    chosen = {"model": "mlp", "data": "digits", "optimizer": "adam", "tracking": "wandb"}
    chosen |= dict(each.split("=", 1) for each in overrides if each.partition("=")[0] in chosen)
    return run_settings(compose_run(list(overrides)), chosen)


def test_settings_are_groups_and_scientific_keys() -> None:
    found = told("model=resnet", "model.depth=56", "data.workers=7", "trainer.threads=1")
    assert found["model"] == "resnet"
    assert found["model.depth"] == 56
    assert found["optimizer.lr"] == 0.001
    assert found["seed"] == 0
    unscientific = {"tracking", "tracking.mode", "data.workers", "trainer.threads", "outputs"}
    assert not unscientific & found.keys()
    assert not [key for key in found if key.endswith("_target_")]


def test_only_what_differs() -> None:
    assert differing_settings([told("seed=0"), told("seed=0", "data.workers=9")]) == []
    runs = [told("seed=1", "optimizer.lr=0.1"), told("seed=2", "optimizer.lr=0.2")]
    assert differing_settings(runs) == ["optimizer.lr", "seed"]


def test_a_groups_keys_are_compared_within_an_option() -> None:
    mlp, lenet = told("model=mlp"), told("model=lenet5")
    assert differing_settings([mlp, lenet]) == ["model"]
    depths = [told("model=resnet", f"model.depth={depth}") for depth in (20, 56)]
    assert differing_settings([mlp, *depths]) == ["model", "model.depth"]
