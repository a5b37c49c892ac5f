"""A plan is checked before any data are opened, and its errors say the way out."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recloop.errors import MissingError, SettingError
from recloop.experiments import AnalysisPlan

GOOD: dict[str, Any] = {
    "variants": {"old": {"control": True}, "new": {}},
    "metrics": {"revenue": {}},
    "primary": "revenue",
    "rule": "fixed",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"segmets": []}, r"\[plan\] has no setting 'segmets'. Did you mean 'segments'\?"),
        (
            {"metrics": {"revenue": {"denominatr": "x"}}},
            r"\[plan.metrics.revenue\] has no setting 'denominatr'. Did you",
        ),
        ({"metrics": {"revenue": {"winsorise": "much"}}}, r"winsorise is .*It must be a number"),
        ({"columns": {"usr": "id"}}, r"\[plan.columns\] has no setting 'usr'. Did you mean 'user'\?"),
        ({"rule": "fixd"}, r"\[plan\] rule is 'fixd'. Did you mean 'fixed'\?"),
        ({"bad_data": "ignore"}, r"\[plan\] bad_data is 'ignore'. Valid: stop, warn"),
        ({"primary": "revenu"}, "there is no metric 'revenu'. Did you mean 'revenue'"),
        ({"guardrails": [{"metric": "revnue"}]}, "there is no metric 'revnue'. Did you mean 'revenue'"),
        ({"rule": "sequential"}, "planned_users is not set; its intervals are made for a size that was planned"),
        ({"variants": {"old": {}, "new": {}}}, "has no control with traffic; mark one variant with control = true"),
        ({"variants": {"old": {"control": True}, "new": {"value": "old"}}}, "two variants have the same value"),
        ({"metrics": {"revenue": {"outcome": "slate_ct"}}}, "there is no outcome 'slate_ct'. Did you mean 'slate_ctr'"),
        ({"window_days": 0}, "window_days is 0.0; it lies between 0 and 366"),
        ({"minimum_cell": 1}, "minimum_cell is 1; at least 2 users"),
        ({"metrics": {"revenue": {"winsorise": 0.4}}}, r"\[metrics.revenue\] winsorise is 0.4; between 0.5 and 1"),
        (
            {"metrics": {"revenue": {"before_days": 7}}},
            "has before_days, and its numbers are columns; name the columns",
        ),
        ({"metrics": {"revenue": {"covariates": ["x", "x"]}}}, "names a covariate twice"),
        (
            {"metrics": {"revenue": {"covariates": ["revenue"]}}},
            r"\[metrics.revenue\] is its own covariate; a covariate",
        ),
        ({"start": datetime(2026, 2, 1), "stop": datetime(2026, 1, 1)}, "start before stop"),
        ({"metrics": {"revenue": {"numerator": {"kind": "buy", "of": "mean"}}}}, "of is 'mean'"),
    ],
)
def test_what_a_plan_may_not_say(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        AnalysisPlan.parse({**GOOD, **change})


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "exp.toml"
    with pytest.raises(MissingError, match=r"there is no plan .*exp.toml; name a TOML file"):
        AnalysisPlan.read(file)
    file.write_text("primary = revenue")
    with pytest.raises(SettingError, match=r"exp.toml is not TOML: .*text needs quotation marks"):
        AnalysisPlan.read(file)
    file.write_bytes(b"name = '\xff'")
    with pytest.raises(SettingError, match="is not UTF-8 text: byte 8"):
        AnalysisPlan.read(file)
    file.write_text(
        """
        primary = "revenue"
        rule = "fixed"
        start = 2026-01-01
        [variants.old]
        control = true
        [variants.new]
        value = "Variant B"
        [metrics.revenue]
        numerator = {kind = "purchase", of = "sum"}
        """.replace("2026-01-01", "2026-01-01T00:00:00Z")
    )
    plan = AnalysisPlan.read(file)
    assert plan.values == {"old": "old", "Variant B": "new"}
    assert plan.experiment(5000).planned_users == 5000
