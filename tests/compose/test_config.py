import msgspec
import pytest

from recloop.compose import SlateConfig, ThompsonConfig, policy_config
from recloop.errors import SettingError

SETTINGS = ", ".join(sorted([*SlateConfig.__struct_fields__, "kind"]))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            {"divesity": 0.2},
            f"[policy] has no setting 'divesity'. Did you mean 'diversity'? Valid: {SETTINGS}.",
        ),
        ({"diversity": 1.5}, "[policy] diversity is 1.5. It must be a number of at most 1.0."),
        ({"diversity": "much"}, "[policy] diversity is 'much'. It must be a number."),
        ({"candidates": 0}, "[policy] candidates is 0. It must be a whole number of at least 1."),
        ({"candidates": True}, "[policy] candidates is True. It must be a whole number."),
        (
            {"fusion": "reciprocal_rank"},
            (
                "[policy] fusion is 'reciprocal_rank'. Did you mean 'reciprocal-rank'? Valid: cascade, comb-mnz, "
                "learned, quotas, reciprocal-rank, weighted-score."
            ),
        ),
        (
            {"kind": "tompson"},
            "[policy] kind is 'tompson'. Did you mean 'thompson'? Valid: bandit, slate, slots, thompson.",
        ),
        ({"kind": "thompson"}, "[policy] needs the setting 'arms'."),
        (
            {"kind": "thompson", "arms": {"a": {"divesity": 1}}},
            f"[policy.arms.a] has no setting 'divesity'. Did you mean 'diversity'? Valid: {SETTINGS}.",
        ),
        (
            {"kind": "thompson", "arms": {}, "prior_failures": 0},
            "[policy] prior_failures is 0. It must be a number above 0.0.",
        ),
    ],
)
def test_wrong_tables(table: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        policy_config(table)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        ({}, 'the policy has no source; name strategies: sources = ["ease", "transitions"].'),
        (["ease", "ease"], "the policy names the source 'ease' twice; weigh it: sources = {ease = 2.0}."),
        (
            {"ease": 0.0, "ials": 0.0},
            (
                "the weights of the policy's sources are {'ease': 0.0, 'ials': 0.0}; weights are numbers of at least 0, of "
                "which at least one is above 0."
            ),
        ),
    ],
)
def test_wrong_sources(sources: dict[str, float] | list[str], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        _ = SlateConfig(sources=sources).weights
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "config",
    [
        SlateConfig(sources={"ease": 2.0}, diversity=0.3),
        SlateConfig(sources=["popular"]),
        ThompsonConfig(arms={"a": SlateConfig(sources=["ease"]), "b": SlateConfig(sources=["ials"])}),
    ],
)
def test_what_is_stored_is_read_back(config: SlateConfig | ThompsonConfig) -> None:
    assert policy_config(msgspec.json.decode(msgspec.json.encode(config))) == config
