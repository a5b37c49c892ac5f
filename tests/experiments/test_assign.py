"""Assignment: the published vectors, sticky, uniform, and independent from one salt to another."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from recloop.experiments import Experiment, Variant, assign, bucket
from recloop.stats import srm

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "experiments.md"


def experiment(salt: str = "", **weights: float) -> Experiment:
    variants = {name: Variant(policy=name, weight=weight, control=name == "a") for name, weight in weights.items()}
    return Experiment(name="test", variants=variants, salt=salt)


def vectors() -> list[tuple[str, str, float, str]]:
    block = re.search(r"```json\n(\[\n  \{\"salt\".*?\])\n```", PAGE.read_text(), re.DOTALL)
    assert block, "the page has no test vectors"
    return [(v["salt"], v["user"], v["bucket"], v["variant"]) for v in json.loads(block[1])]


@pytest.mark.parametrize(("salt", "user", "at", "variant"), vectors())
def test_published_vectors(salt: str, user: str, at: float, variant: str) -> None:
    assert bucket(salt, user) == at
    variants = {
        "popular": Variant(policy="popular", weight=1, control=True),
        "random": Variant(policy="random", weight=1, control=True),
        "blend": Variant(policy="blend", weight=2),
    }
    assert assign(Experiment(name="vectors", variants=variants, salt=salt), user) == variant


def test_the_same_in_another_process() -> None:
    code = "from recloop.experiments import bucket; print([bucket('s', f'u{i}') for i in range(9)])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(out) == [bucket("s", f"u{i}") for i in range(9)]


@settings(deadline=None)
@given(st.text(), st.text(), st.permutations(["a", "b", "c"]))
def test_sticky_whatever_the_order_of_the_variants(salt: str, user: str, names: list[str]) -> None:
    weights = {"a": 1.0, "b": 2.5, "c": 0.5}
    assert 0 <= bucket(salt, user) < 1
    here = assign(experiment(salt, **{name: weights[name] for name in names}), user)
    assert here == assign(experiment(salt, **weights), user)


def test_weights_are_kept_and_zero_gets_nobody() -> None:
    test = experiment("s", a=1, b=2, off=0, c=1)
    counts = Counter(assign(test, f"user-{i}") for i in range(40_000))
    assert "off" not in counts
    assert srm(counts, test.weights).p_value > 0.001


def test_uniform() -> None:
    at = [bucket("uniform", str(i)) for i in range(50_000)]
    assert scipy.stats.kstest(at, "uniform").pvalue > 0.001


def test_growing_one_arm_moves_users_only_into_it() -> None:
    users = [f"u{i}" for i in range(2_000)]
    before, after = experiment("s", a=9, b=1), experiment("s", a=8, b=2)
    moved = {(assign(before, user), assign(after, user)) for user in users}
    assert moved == {("a", "a"), ("b", "b"), ("a", "b")}


def test_salts_are_independent() -> None:
    """Chi-square over all pairs of 8 salts: the p-values of unrelated splits are spread evenly."""
    users = [f"user-{i}" for i in range(4_000)]
    sides = np.array([[bucket(f"test.{salt}", user) < 0.5 for user in users] for salt in range(8)])
    p = [
        scipy.stats.chi2_contingency(np.histogram2d(sides[i], sides[j], 2)[0], correction=False).pvalue
        for i in range(8)
        for j in range(i)
    ]
    assert min(p) > 0.05 / len(p) / 10
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.001
