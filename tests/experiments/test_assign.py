"""Assignment: the published vectors, sticky, uniform, and independent from one salt to another."""

import hashlib
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
from msgspec import structs

from recloop.experiments import Allocation, Experiment, Holdout, Variant, allocate, assign, bucket
from recloop.experiments.assign import held_out
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


# ---- who takes part

DESIGN = PAGE.parent / "design.md"


def design() -> tuple[Experiment, list[dict[str, object]]]:
    definition, rows = re.findall(r"```json\n(.*?)\n```", DESIGN.read_text(), re.DOTALL)
    return Experiment.parse(json.loads(definition)), json.loads(rows)


@pytest.mark.parametrize("row", design()[1], ids=lambda row: f"{row['user']}-{row['country']}-{row['share']}")
def test_published_vectors_of_layers(row: dict[str, object]) -> None:
    test, _ = design()
    user = str(row["user"])
    salts = {"holdout": "holdout:2026-q4", "layer": "layer:front", "split": "front.1"}
    for name, salt in salts.items():
        digest = hashlib.sha256(f"{salt}\0{user}".encode()).hexdigest()  # as another client would
        assert bucket(salt, user) == row[name] == (int(digest[:16], 16) >> 11) / 9007199254740992
    found = allocate(test, user, user=user, attributes={"profile.country": str(row["country"])}, share=row["share"])
    assert (found.variant if found else None, bool(found and found.forced)) == (row["variant"], row["forced"])


def test_the_vectors_hold_every_case() -> None:
    rows = design()[1]
    assert {row["variant"] for row in rows} == {"random", "popular", "blend", None}
    outside = [row for row in rows if row["variant"] is None]
    assert any(row["holdout"] < 0.1 for row in outside)
    assert any(row["country"] == "fr" for row in outside)
    assert any(row["layer"] < 0.2 for row in outside) and any(row["layer"] >= 0.7 for row in outside)
    assert any(row["share"] == 0.1 and 0.3 <= row["layer"] < 0.7 for row in outside)


@settings(deadline=None)
@given(st.text(), st.floats(0.01, 0.5), st.floats(0.0, 0.5), st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_who_is_in_stays_in_as_a_ramp_widens(unit: str, traffic: float, offset: float, shares: list[float]) -> None:
    test = structs.replace(experiment("s", a=1, b=2), traffic=traffic, offset=offset)
    seen = [allocate(test, unit, share=traffic * share) for share in sorted(shares)]
    inside = [one for one in seen if one]
    assert inside == seen[len(seen) - len(inside) :]  # once in, never out
    assert len(set(inside)) <= 1  # and never moved
    assert not inside or allocate(test, unit) == inside[0]


@pytest.mark.parametrize(("share", "holdout"), [(0.01, 0.0), (0.1, 0.05), (0.37, 0.2)])
def test_shares_are_kept(share: float, holdout: float) -> None:
    users, n = [f"user-{i}" for i in range(40_000)], 40_000
    held = Holdout(share=holdout, salt="x") if holdout else None
    test = structs.replace(experiment("s", a=1, b=1), traffic=share, offset=0.25, holdout=held)
    found = [allocate(test, user, user=user) for user in users]
    inside = [one for one in found if one]
    expected = n * share * (1 - holdout)
    assert abs(len(inside) - expected) < 4 * np.sqrt(expected)
    assert srm(Counter(one.variant for one in inside), test.weights).p_value > 0.001
    assert sum(held_out(test, user) for user in users) == pytest.approx(n * holdout, abs=4 * np.sqrt(n * holdout + 1))


def test_layers_are_independent() -> None:
    """Chi-square over all pairs of 8 layers: who takes part, and who gets which variant, say nothing of another layer."""
    users = [f"user-{i}" for i in range(4_000)]
    tests = [
        Experiment(
            name=f"test-{n}",
            layer=f"layer-{n}",
            traffic=0.6,
            offset=0.2,
            variants={"a": Variant(policy="a", control=True), "b": Variant(policy="b")},
        )
        for n in range(8)
    ]
    cells = np.array([[("", "a", "b").index((allocate(t, u) or Allocation("")).variant) for u in users] for t in tests])
    p = [
        scipy.stats.chi2_contingency(np.histogram2d(cells[i], cells[j], 3)[0], correction=False).pvalue
        for i in range(8)
        for j in range(i)
    ]
    assert min(p) > 0.05 / len(p) / 10
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.001


def test_taking_over_a_range_splits_its_users_anew() -> None:
    """The next experiment of a layer gets the same users as the last one did, and they are shuffled."""
    users = [f"user-{i}" for i in range(8_000)]
    arms = {"a": Variant(policy="a", control=True), "b": Variant(policy="b")}
    first, second = (Experiment(name=name, variants=arms, traffic=0.5) for name in ("first", "second"))
    pairs = [(allocate(first, user), allocate(second, user)) for user in users]
    assert all((one is None) == (two is None) for one, two in pairs)
    table = Counter((one.variant, two.variant) for one, two in pairs if one and two)
    counts = [[table["a", "a"], table["a", "b"]], [table["b", "a"], table["b", "b"]]]
    assert scipy.stats.chi2_contingency(counts, correction=False).pvalue > 0.001


def test_a_wider_holdout_keeps_whom_it_held() -> None:
    users = [f"u{i}" for i in range(2_000)]
    small, large = (structs.replace(experiment("s", a=1, b=1), holdout=Holdout(share=s)) for s in (0.05, 0.2))
    assert {u for u in users if held_out(small, u)} < {u for u in users if held_out(large, u)}
    assert not held_out(large, "")  # nobody knows who that is
