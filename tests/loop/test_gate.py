import pytest

from recloop.loop.gate import Check, gate

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
