"""A warm start from a log that teaches nothing is refused, instead of being told as learned."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.compose.test_bandit import made

from recloop.app import warm_start as module
from recloop.errors import ConflictError
from recloop.store import Store
from recloop.store.outcomes import Outcome


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    policy = made("lin-ts", features={"context": {"device": ["app"]}})
    monkeypatch.setattr(module, "load", lambda _: SimpleNamespace(policies={"seeing": policy}))
    return {}


def log_of(outcomes: list[Outcome], kept: dict[str, Any]) -> Store:
    states = SimpleNamespace(get=lambda *_: None, put=lambda _, policy, state: kept.update({policy: state}))
    active = SimpleNamespace(active=lambda: SimpleNamespace(name="one", path="."))
    log = SimpleNamespace(read=lambda *_: outcomes)
    return cast("Store", SimpleNamespace(releases=active, policy_states=states, outcomes=log))


@pytest.mark.parametrize(("arm", "details"), [("ruled", {}), ("elsewhere", {"features": [1.0, 0.0]})])
def test_a_log_that_teaches_nothing_is_refused(put: dict[str, Any], arm: str, details: dict[str, Any]) -> None:
    log = log_of([Outcome("d1", arm, 1.0, 0.5, details)], put)
    with pytest.raises(ConflictError, match="policy 'seeing' learns nothing from the 1 outcomes of 'home'") as caught:
        module.warm_start(log, "home", "seeing")
    assert "the same [policy.features]" in str(caught.value)
    assert put == {}


def test_what_was_seen_is_learned_from(put: dict[str, Any]) -> None:
    came = [Outcome("d1", "ruled", 1.0, 0.5, {"features": [1.0, 0.0]}), Outcome("d2", "gone", 0.0)]
    found = module.warm_start(log_of(came, put), "home", "seeing")
    assert (found.outcomes, found.skipped, found.arms) == (1, 1, {"ruled": 1, "free": 0})
    assert put["seeing"]["bandit"] == "lin-ts"
