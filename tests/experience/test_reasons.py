"""Reasons checked by leaving out what they cite: true ones stand, and a policy that looks at nothing has none."""

import numpy as np
import polars as pl
import pytest

from recloop.compose import build, policy_config
from recloop.compose.policy import Policy
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import DataError
from recloop.experience import trust
from recloop.strategies import make

RNG = np.random.default_rng(0)
# three worlds of ten items; whoever likes one item of a world likes others of it
WORLD = RNG.integers(0, 3, 400)
LOG = pl.DataFrame(
    {
        "user": np.repeat(np.arange(400), 6).astype(str),
        "item": [f"w{w}-{i}" for w in WORLD for i in RNG.choice(10, 6, replace=False)],
    }
)
DATA = Dataset.of(LOG)


def policy(source: str) -> Policy:
    found = build(policy_config({"sources": [source], "fallback": ""}), {source: make(source).fit(DATA)})
    assert isinstance(found, Policy)
    return found


def histories(users: int = 40) -> Histories:
    """One event of each of two worlds, so that what is cited matters."""
    place = DATA.item_ids.index
    pairs = [(f"w{n % 3}-{n % 10}", f"w{(n + 1) % 3}-{n % 7}") for n in range(users)]
    return Histories.of([[place(a), place(b)] for a, b in pairs], n_items=len(DATA.item_ids))


def test_what_a_neighbour_model_cites_moves_its_items_and_other_events_do_not() -> None:
    found = trust(policy("item-knn"), histories(), np.random.default_rng(1), k=5)
    assert found.requests == 40
    assert found.coverage.estimate > 0.9
    assert found.fidelity is not None and found.chance is not None and found.minimality is not None
    assert found.fidelity.estimate > 0.95
    assert found.chance.estimate < 0.5 * found.fidelity.estimate
    assert 1 <= found.minimality.estimate < 1.5
    assert found.stability is None or 0 <= found.stability.estimate <= 1
    assert found.sentence.endswith(".") and "events each" in found.sentence


def test_a_policy_that_looks_at_no_history_has_no_reasons() -> None:
    found = trust(policy("popular"), histories(), np.random.default_rng(1), k=5)
    assert found.coverage.estimate == 0
    assert found.fidelity is None and found.minimality is None
    assert found.to_dict()["stability"] is None


def test_it_repeats_by_its_seed_and_needs_two_histories() -> None:
    first, second = (trust(policy("item-knn"), histories(8), np.random.default_rng(3), k=5) for _ in range(2))
    assert first == second
    with pytest.raises(DataError, match="1 users have a history"):
        trust(policy("item-knn"), histories(1), np.random.default_rng(3))
