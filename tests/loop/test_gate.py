import pytest

from recloop.errors import SettingError
from recloop.experience.fair import Fairness, FairnessRow, GroupValue
from recloop.loop.gate import Check, GateConfig, gate, group_check
from recloop.loop.plan import Plan
from recloop.metrics.online import OUTCOMES

GOOD = Check("guardrails", True, "No guardrail was hurt.")
BAD = Check("sample ratio", False, "The groups are not of the sizes that were planned.")


def test_only_ship_with_every_check_opens_the_gate() -> None:
    assert gate("ship").open
    assert gate("ship", [GOOD]).open
    assert not gate("ship", [GOOD, BAD]).open
    assert gate("ship", [GOOD, BAD]).sentences == ("The experiment's verdict is 'ship'.", GOOD.sentence, BAD.sentence)


@pytest.mark.parametrize("verdict", ["keep", "wait", "stop", "", "Ship"])
def test_any_other_verdict_keeps_it_shut(verdict: str) -> None:
    shut = gate(verdict, [GOOD])
    assert not shut.open
    assert shut.sentences[0] == f"The experiment's verdict is '{verdict}', and only 'ship' may be released."


def groups(*held: str) -> Fairness:
    one = tuple(GroupValue(f"g{n}", 200, 0.2, 0.1, 0.3, held=status) for n, status in enumerate(held))  # type: ignore[arg-type]
    row = FairnessRow("sex", "slate_ctr", "click rate", one)
    return Fairness("new", "old", 0.05, 0.02, 800, ("sex",), (row,), metrics={"slate_ctr": OUTCOMES["slate_ctr"]})


def test_no_group_may_be_worse_and_that_must_be_shown() -> None:
    rules = GateConfig(worst_group=0.02)
    assert group_check(groups("held", "held"), rules).passed
    breached = group_check(groups("held", "breached"), rules)
    assert (breached.passed, breached.sentence) == (False, "Worse by more than 2.0%: g1 (click rate).")
    unclear = group_check(groups("held", "unclear"), rules)
    assert (unclear.passed, unclear.sentence) == (
        False,
        "It is not shown that no group is worse by more than 2.0%: g1 (click rate).",
    )
    lenient = GateConfig(worst_group=0.02, unclear="allow")
    assert group_check(groups("held", "unclear"), lenient).sentence.endswith("Of g1 (click rate) it is not clear.")
    assert not group_check(groups(), rules).passed
    assert not group_check(None, rules).passed
    assert group_check(None, GateConfig()).passed


def test_the_settings_of_the_gate_are_checked() -> None:
    data = {"data": {"events": "events.csv"}}
    plan = Plan.of({**data, "gate": {"worst_group": 0.02, "unclear": "allow"}})
    assert plan.gate.worst_group == 0.02
    assert Plan.of(plan.to_dict()).gate == plan.gate
    assert plan.hash != Plan.of(data).hash  # the release of a run carries it
    with pytest.raises(SettingError, match="no setting 'worst_goup'"):
        Plan.of({**data, "gate": {"worst_goup": 0.02}})
    with pytest.raises(SettingError, match="names 'slate_crt'"):
        Plan.of({**data, "gate": {"metrics": ["slate_crt"]}})
    with pytest.raises(SettingError, match="worst_group"):
        Plan.of({**data, "gate": {"worst_group": 2.0}})
