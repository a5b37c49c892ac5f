"""Several experiments at once: where each gets its place, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.errors import ConflictError
from recloop.experiments import Experiment, Holdout, Variant, placed
from recloop.experiments.assign import takes_part
from recloop.experiments.layers import span

ARMS = {"a": Variant(policy="a", control=True), "b": Variant(policy="b")}


def experiment(name: str, **settings: object) -> Experiment:
    return Experiment(name=name, variants=ARMS, **settings)


def test_the_first_free_place_is_taken() -> None:
    running: list[Experiment] = []
    for name, traffic in (("one", 0.3), ("two", 0.2), ("three", 0.5)):
        running.append(placed(experiment(name, traffic=traffic), running))
    assert [span(one) for one in running] == [(0.0, 0.3), (0.3, 0.5), (0.5, 1.0)]
    del running[1]
    assert placed(experiment("four", traffic=0.1), running).offset == 0.3
    assert placed(experiment("five", traffic=0.2), running).offset == 0.3
    with pytest.raises(ConflictError) as caught:
        placed(experiment("six", traffic=0.25), running)
    assert str(caught.value) == (
        "layer 'default' has no room for the 0.25 that 'six' wants: 'one' takes 0 to 0.3, 'three' takes 0.5 to 1; "
        "experiments of one layer never share a unit; ask for at most 0.2 of the traffic."
    )


def test_a_place_that_was_chosen_is_kept_or_refused() -> None:
    one = placed(experiment("one", traffic=0.3, offset=0.5), [])
    assert one.offset == 0.5
    assert placed(experiment("two", traffic=0.2, offset=0.8), [one]).offset == 0.8
    with pytest.raises(ConflictError, match=r"no room for the 0.7 to 0.9 that 'two' wants: 'one' takes 0.5 to 0.8"):
        placed(experiment("two", traffic=0.2, offset=0.7), [one])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.text(min_size=1), st.integers(0, 10_000))
def test_a_unit_is_in_one_experiment_of_a_layer_at_most(parts: list[int], unit: str, seed: int) -> None:
    running: list[Experiment] = []
    for place, part in enumerate(parts):
        try:
            running.append(placed(experiment(f"e{place}", traffic=part / 100), running))
        except ConflictError:
            continue
    spans = sorted(map(span, running))
    assert all(end <= start + 1e-12 for (_, end), (start, _) in pairwise(spans))
    assert spans[-1][1] <= 1 + 1e-12
    assert sum(takes_part(one, unit) for one in running) <= 1
    share = np.random.default_rng(seed).uniform(0, 1)
    widths = [takes_part(one, unit, share * one.traffic) for one in running]
    assert all(takes_part(one, unit) or not small for one, small in zip(running, widths, strict=True))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            {"layer": "x"},
            {"layer": "y", "surfaces": ("home",)},
            (
                "'two' of layer 'y' runs on 'home', and 'one' of layer 'x' on every surface; a surface belongs to one "
                "layer, so that one experiment decides each slate; name other surfaces, or put it in layer 'x'"
            ),
        ),
        (
            {"layer": "x", "surfaces": ("home", "mail")},
            {"layer": "y", "surfaces": ("mail", "cart")},
            "'two' of layer 'y' runs on 'mail', 'cart', and 'one' of layer 'x' on 'home', 'mail'",
        ),
        (
            {"traffic": 0.5},
            {"traffic": 0.5, "unit": "session"},
            "'two' assigns sessions, and 'one' of the same layer users; a layer has one unit",
        ),
        (
            {"traffic": 0.5},
            {"traffic": 0.5, "holdout": Holdout(share=0.05)},
            "'two' holds out 0.05 of the users (salt ''), and 'one', which runs, nobody; who is held out is in no",
        ),
        (
            {"layer": "x", "surfaces": ("home",), "salt": "s"},
            {"layer": "y", "surfaces": ("cart",), "salt": "s"},
            "have the salt 's'; layers are independent only where salts differ",
        ),
    ],
)
def test_what_cannot_run_together(first: dict[str, object], second: dict[str, object], message: str) -> None:
    with pytest.raises(ConflictError) as caught:
        placed(experiment("two", **second), [experiment("one", **first)])
    assert message in str(caught.value)


def test_layers_with_surfaces_of_their_own_run_together() -> None:
    one = placed(experiment("one", layer="x", surfaces=("home",)), [])
    two = placed(experiment("two", layer="y", surfaces=("cart",)), [one])
    assert span(one) == span(two) == (0.0, 1.0)


def test_one_version_runs_at_a_time() -> None:
    one = experiment("one", traffic=0.2)
    with pytest.raises(ConflictError, match=r"version 1 of 'one' runs; one version of an experiment.*stop 'one' first"):
        placed(one.revised(alpha=0.1), [one])
