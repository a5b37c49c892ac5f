import pytest

from recloop.errors import SettingError
from recloop.experiments import Experiment, Guardrail, Variant
from recloop.metrics.online import OUTCOMES

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
