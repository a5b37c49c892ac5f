import json
import tomllib
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.errors import SettingError
from recloop.experience.reasons import Trust
from recloop.experience.together import POPULATION
from recloop.experiments import Allocation, Experiment, Guardrail, Variant, allocate, assign, read_out
from recloop.loop.gate import GateConfig
from recloop.metrics.online import OUTCOMES
from recloop.metrics.online.unknown import WITHOUT_USERS

VARIANTS = {"popular": {"policy": "popular", "control": True}, "blend": {"policy": "blend", "weight": 3.0}}


def test_json_there_and_back() -> None:
    table = {"name": "home", "variants": VARIANTS, "guardrails": [{"metric": "latency", "margin": 0.1}], "alpha": 0.01}
    found = Experiment.parse(table)
    assert Experiment.parse(found.to_dict()) == found
    assert Experiment.parse(found.to_dict()).fingerprint == found.fingerprint
    assert found.guardrails == (Guardrail(metric="latency", margin=0.1),)
    assert found.planned_for("blend") == 7_500


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alfa": 0.1}, "has no setting 'alfa'. Did you mean 'alpha'?"),
        (
            {"variants": {**VARIANTS, "x": {"polizy": "x"}}},
            "[experiment.variants.x] has no setting 'polizy'. Did you mean",
        ),
        ({"alpha": "much"}, "[experiment] alpha is 'much'. It must be a number"),
        ({"alpha": 0.9}, "alpha is 0.9; it lies between 0 and 0.5"),
        ({"name": "a b"}, "the experiment is named 'a b'; 1 to 100 letters, digits"),
        ({"variants": {"ok": VARIANTS["blend"], "a/b": VARIANTS["popular"]}}, "the variant is named 'a/b'"),
        (
            {"variants": {"blend": VARIANTS["blend"]}},
            "has no control with traffic; mark one variant with control = true",
        ),
        ({"variants": {"popular": VARIANTS["popular"]}}, "has no treatment with traffic"),
        ({"variants": {**VARIANTS, "blend": {"policy": "b", "weight": -1}}}, "variant 'blend' has weight -1.0"),
        ({"variants": {**VARIANTS, "blend": {"policy": "b", "weight": 0}}}, "has no treatment with traffic"),
        ({"primary": "slate_cdr"}, "there is no metric 'slate_cdr'. Did you mean 'slate_ctr'?"),
        ({"guardrails": [{"metric": "latensy"}]}, "there is no metric 'latensy'. Did you mean 'latency'?"),
        (
            {"guardrails": [{"metric": "latency", "margin": 0}]},
            "the guardrail on 'latency' has margin 0.0; it is above 0",
        ),
        ({"guardrails": [{"metric": "latency", "against": "popula"}]}, "Did you mean 'popular'?"),
        ({"minimum_users": 200, "planned_users": 100}, "2 <= minimum_users <= planned_users"),
        ({"window": 0}, "window is 0.0; it lies between 0 and"),
        ({"rule": "peek"}, "rule is 'peek'"),
    ],
)
def test_what_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Experiment.parse({"name": "home", "variants": VARIANTS, **change})
    assert message in str(caught.value)


def test_it_does_not_change() -> None:
    found = Experiment.parse({"name": "home", "variants": VARIANTS, "salt": "s"})
    with pytest.raises(AttributeError, match="immutable"):
        found.alpha = 0.1
    after = found.revised(alpha=0.1)
    assert (after.version, after.alpha, after.effective_salt) == (2, 0.1, "home.2")
    assert after.fingerprint != found.fingerprint
    assert found.revised(salt="s").effective_salt == "s"


def test_a_metric_of_ones_own() -> None:
    metric = OUTCOMES["purchase_rate"]
    table = {"name": "game", "variants": VARIANTS, "primary": "retention"}
    assert Experiment.parse(table, catalogue={"retention": metric}).primary == "retention"
    assert Experiment(
        name="game", variants={"a": Variant(policy="a", control=True), "b": Variant(policy="b")}
    ).pairs == (("b", "a"),)


# ---- what came later

OLD = {
    "name": "home",
    "variants": {
        "random": {"policy": "random", "weight": 1.0, "control": True},
        "popular": {"policy": "popular", "weight": 1.0, "control": True},
        "blend": {"policy": "blend", "weight": 2.0, "control": False},
    },
    "hypothesis": "h",
    "primary": "slate_ctr",
    "guardrails": [{"metric": "satisfaction"}, {"metric": "latency", "margin": 0.02, "against": "popular"}],
    "alpha": 0.05,
    "window": 86400.0,
    "minimum_users": 100,
    "planned_users": 6000,
    "rule": "sequential",
    "salt": "",
    "version": 1,
}


def test_a_definition_of_an_older_store_means_what_it_meant() -> None:
    """As the first version wrote it: it parses, everybody takes part, and its fingerprint is the one in the logs."""
    found = Experiment.parse(OLD)
    assert found.fingerprint == "7b40e339b07d63d376c2d4e72198ded003a9a13ea3bb079b4d6447100fe41c22"
    assert (found.unit, found.traffic, found.layer, found.ramp, found.targeting) == ("user", 1.0, "default", (), ())
    assert all(allocate(found, f"u{n}") == Allocation(assign(found, f"u{n}")) for n in range(200))
    assert Experiment.parse({**OLD, "traffic": 0.5}).fingerprint != found.fingerprint


def test_a_file_and_a_body_say_the_same() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "design.md"
    text = page.read_text().split("```toml\n", 1)[1].split("\n```", 1)[0]
    found = Experiment.parse(tomllib.loads(text))
    assert (found.starts, found.forced) == (datetime(2026, 3, 2, 8, tzinfo=UTC), {"tester-7": "blend"})
    assert Experiment.parse(json.loads(json.dumps(found.to_dict()))) == found
    assert [(step.share, step.hours) for step in found.ramp] == [(0.01, 24.0), (0.1, 48.0), (0.5, None)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "device"}, "unit is 'device'. Valid: request, session, user"),
        ({"traffic": 0}, "traffic is 0.0; a share above 0 and at most 1"),
        ({"traffic": 1.1}, "traffic is 1.1"),
        ({"traffic": 0.6, "offset": 0.5}, "offset is 0.5 and traffic 0.6; 0 <= offset and offset + traffic <= 1"),
        ({"layer": "a b"}, "the layer is named 'a b'; 1 to 100 letters"),
        ({"holdout": {"share": 1}}, "the holdout is 1.0; a share of users of at least 0 and below 1"),
        ({"holdout": {"shares": 0.1}}, "Did you mean 'share'?"),
        ({"forced": {"u1": "blnd"}}, "'u1' is forced into 'blnd'. Did you mean 'blend'?"),
        ({"secondaries": ["slate_cdr"]}, "there is no metric 'slate_cdr'. Did you mean 'slate_ctr'?"),
        ({"salt": "layer:default"}, "the salt is 'layer:default'; 'layer:' and 'holdout:' begin the salts of others"),
        (
            {"starts": "2026-03-02"},
            "starts is '2026-03-02'. It must be a date with its time and zone, such as 2026-03-02T08:00:00Z",
        ),
        ({"starts": "2026-03-02T08:00:00"}, "It must be a date with its time and zone"),
        (
            {"starts": "2026-03-02T08:00:00Z", "ends": "2026-03-02T08:00:00Z"},
            "it starts at 2026-03-02T08:00:00+00:00 and ends at 2026-03-02T08:00:00+00:00; it ends after it starts",
        ),
        (
            {"variants": {**VARIANTS, "nothing": {"policy": "none"}}},
            (
                "variant 'nothing' shows nothing, and click rate counts what is shown; under such a variant it is nothing by "
                "definition; choose a primary metric that is not of items, such as orders_per_user or satisfaction."
            ),
        ),
    ],
)
def test_what_else_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Experiment.parse({"name": "home", "variants": VARIANTS, **change})
    assert message in str(caught.value)


def test_versions_have_ids() -> None:
    first = Experiment.parse({"name": "home", "variants": VARIANTS, "offset": 0.0, "traffic": 0.5})
    second = first.revised(traffic=0.7)
    assert (first.id, second.id, second.offset) == ("home", "home.2", None)
    with pytest.raises(SettingError, match="the revision is named 'away'; it keeps the name 'home'"):
        first.revised(name="away")


def test_a_guardrail_may_be_any_metric_of_live_users_and_is_read() -> None:
    rng = np.random.default_rng(2)
    columns = sorted({column for metric in OUTCOMES.values() for column in metric.columns})
    table = pl.DataFrame(
        {"variant": ["popular", "blend"] * 200, "user": [f"u{n}" for n in range(400)],
         **{column: rng.integers(1, 9, 400) for column in columns}}
    )  # fmt: skip
    rails = [{"metric": metric} for metric in OUTCOMES]
    alike = {**VARIANTS, "blend": {"policy": "blend"}}
    table_of_rails = {"name": "home", "variants": alike, "guardrails": rails, "rule": "fixed", "planned_users": 400}
    found = read_out(Experiment.parse(table_of_rails), table, 0.0).guardrails
    assert [one.metric for one in found] == list(OUTCOMES)
    assert all(one.effect is not None and one.status in {"held", "breached", "unclear"} for one in found)


def test_what_belongs_to_no_user_says_why_it_is_no_guardrail_and_what_can_be_one() -> None:
    assert set(POPULATION) <= set(WITHOUT_USERS)
    of_reasons = {field.name for field in fields(Trust)} & {"fidelity", "minimality", "stability"}
    assert of_reasons | {"reason_coverage"} | set(POPULATION) == set(WITHOUT_USERS)
    for name, (_, instead) in WITHOUT_USERS.items():
        assert set(instead) <= set(OUTCOMES)
        said = (
            rf"an experiment cannot be held to '{name}'; it is of .*; read it on the scorecard, and name {instead[0]}"
        )
        with pytest.raises(SettingError, match=said):
            Experiment.parse({"name": "home", "variants": VARIANTS, "guardrails": [{"metric": name}]})
        with pytest.raises(SettingError, match=said):
            GateConfig(metrics=[name])
