"""What several slates of one policy learn of their objectives together."""

from pathlib import Path
from typing import Any

import pytest

from recloop.compose import Catalogue, build, policy_config
from recloop.compose.config import slates_of
from recloop.data.source import read
from recloop.errors import SettingError
from recloop.loop.objectives import learned_for, weighs
from recloop.loop.plan import Plan
from recloop.loop.vectors import behaviour_vectors

BOUND = {"weights": {"novelty": 0.5}, "constraints": [{"of": "new", "at_least": 0.12}]}


@pytest.mark.parametrize(
    "table",
    [
        {
            "kind": "thompson",
            "arms": {
                "new": {"sources": ["ease"], "objectives": BOUND},
                "plain": {"sources": ["popular"]},
                "calm": {"sources": ["popular", "ease"], "objectives": {"weights": {"diversity": 1.0}}},
            },
        },
        {
            "kind": "slots",
            "slots": {
                "hero": {"size": 1, "policy": {"sources": ["popular"]}},
                "row": {"size": 3, "policy": {"sources": ["ease"], "objectives": BOUND}},
            },
        },
    ],
    ids=["arms", "slots"],
)
def test_arms_and_slots_share_what_is_learned(shop: Path, table: dict[str, Any]) -> None:
    policy = policy_config(table)
    assert weighs(policy)
    plan = Plan.of({"data": {"events": "events.csv", "items": "items.csv"}}, shop)
    dataset = read(plan.source).dataset
    validation = plan.splitter(dataset)
    fitted = {name: plan.strategies[name].make().fit(validation.train) for name in ("ease", "popular")}
    vectors = behaviour_vectors(validation.train)
    priced, learned = learned_for(policy, fitted, dataset, validation, vectors, seed=1)
    prices = [slate.objectives.prices for slate in slates_of(priced).values() if slate.objectives is not None]
    assert any("new" in one for one in prices)
    assert all(price < 1e6 for one in prices for price in one.values())
    assert len(learned.statements) == 1
    assert learned.statements[0].startswith("new at least 0.12: ")
    made = build(priced, fitted, vectors, catalogue=Catalogue(dataset.items, objectives=learned))
    assert (made.rank(validation.histories, 4).items >= 0).all()
    with pytest.raises(SettingError, match="nothing was learned of them"):
        build(priced, fitted, vectors, catalogue=Catalogue(dataset.items))
