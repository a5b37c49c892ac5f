"""Policy gradient over logged slates: the laws, the served unit against the trained one, and the known world."""

from typing import Any, ClassVar

import numpy as np
import pytest

from recloop.errors import DataError
from recloop.simulate.temptation import Temptation
from recloop.strategies.policy_gradient.recurrent import hidden
from recloop.strategies.policy_gradient.strategy import PolicyGradient
from recloop.testing import StrategyContract
from recloop.testing.strategy import small_shop, with_slates

torch = pytest.importorskip("torch")


class TestPolicyGradient(StrategyContract):
    make = PolicyGradient
    settings: ClassVar[dict[str, Any]] = {"epochs": 1, "width": 4, "batch": 400}
    feed = staticmethod(with_slates)


def test_the_served_unit_is_the_trained_one() -> None:
    from recloop.strategies.policy_gradient.network import Agent

    torch.manual_seed(0)
    agent = Agent(7, 5)
    items = torch.randint(7, (4, 6))
    lengths = torch.tensor([6, 0, 1, 3])
    with torch.no_grad():
        wanted = agent(items, lengths).numpy()
    state = {name: value.numpy() for name, value in agent.state_dict().items()}
    found = hidden(
        state["items.weight"][items.numpy()],
        lengths.numpy(),
        *(state[f"unit.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
    )
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert (found[1] == 0).all()


def test_the_correction_makes_up_for_what_the_log_was_fond_of() -> None:
    """Two items earn alike, one was logged nine times as often: uncorrected REINFORCE would take it nearly always."""
    from recloop.strategies.policy_gradient.network import Agent

    torch.manual_seed(0)
    agent = Agent(2, 2)
    taken = torch.tensor([0] * 90 + [1] * 10)
    batch = (torch.zeros(100, 1, dtype=torch.long), torch.zeros(100, dtype=torch.long), taken, torch.ones(100))
    logged = torch.optim.Adam(agent.logged.parameters(), lr=0.1)
    for _ in range(200):  # the logged policy is learned first
        logged.zero_grad()
        agent.loss(batch, places=1, cap=1e6, entropy=0.0).backward()
        logged.step()
    agent.zero_grad()
    agent.loss(batch, places=1, cap=1e6, entropy=0.0).backward()
    # the expected reward is the same whatever the policy, so that its gradient is zero
    assert abs(float(agent.policy.bias.grad[0])) < 1e-3
    agent.zero_grad()
    agent.loss(batch, places=1, cap=1.0, entropy=0.0).backward()  # capped, the rare item counts too little
    assert abs(float(agent.policy.bias.grad[0])) > 1e-2


def test_the_long_term_beats_the_short_term_where_temptation_harms() -> None:
    world = Temptation(items=3)
    data = world.log(500, np.random.default_rng(0))
    far = PolicyGradient(epochs=4, width=8).fit(data)
    clicks = world.play(far, 150, np.random.default_rng(3), most=150)[0].mean() / world.optimum
    assert clicks > 0.6
    assert world.value(world.myopic) / world.optimum < 0.25


def test_without_slates_it_says_what_it_needs() -> None:
    with pytest.raises(DataError, match="'policy-gradient' learns from slates"):
        PolicyGradient().fit(small_shop())
