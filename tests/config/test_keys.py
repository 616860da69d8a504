"""Dotted keys, and targets wherever they are."""

from __future__ import annotations

from fovea.config.keys import look_up, targets, walk

TREE = {
    "data": {"_target_": "a.Data", "source": {"_target_": "a.Source", "root": None}},
    "callbacks": [{"_target_": "b.Callback", "inner": [{"_target_": 3}]}],
    "seed": 0,
}


def test_every_key_is_walked_from_the_outside_in() -> None:
    assert list(walk(TREE["data"], "data.")) == [
        ("data._target_", "a.Data"),
        ("data.source", {"_target_": "a.Source", "root": None}),
        ("data.source._target_", "a.Source"),
        ("data.source.root", None),
    ]


def test_a_key_is_looked_up() -> None:
    assert look_up(TREE, "data.source._target_") == "a.Source"
    assert look_up(TREE, "data.source.root", "none") is None
    assert look_up(TREE, "data.source.fold", "none") == "none"
    assert look_up(TREE, "seed.of.what") is None


def test_targets_are_found_in_lists_too() -> None:
    assert list(targets(TREE)) == [
        (("data",), "a.Data"),
        (("data", "source"), "a.Source"),
        (("callbacks", "0"), "b.Callback"),
        (("callbacks", "0", "inner", "0"), 3),
    ]
