"""Who is asked is a pure hash with a known chance; who answers is weighted for."""

import json

import numpy as np
import polars as pl
import pytest

from recloop.errors import MissingError, SettingError
from recloop.experience.surveys import Survey
from recloop.experience.surveys.answers import answer_chances, asked_users

DAY = 86_400.0


def test_each_user_is_asked_on_a_day_with_the_chance_that_is_told():
    survey = Survey(rate=0.02, cooldown=10)
    asked = np.array([[survey.asks(f"u{u}", "home", day * DAY + 5.0) for day in range(40)] for u in range(1500)])
    assert asked.mean() == pytest.approx(0.02, abs=4 * (0.02 / 60_000) ** 0.5)
    assert asked.mean(axis=0).max() < 0.04  # no day on which all are asked
    gaps = [np.diff(np.flatnonzero(row)) for row in asked]
    assert min(gap.min() for gap in gaps if len(gap)) >= 10
    # a second survey draws other lots
    other = Survey(instrument="effort", rate=0.02, cooldown=10)
    both = [other.asks(f"u{u}", "home", day * DAY) and asked[u, day] for u in range(1500) for day in range(40)]
    assert sum(both) < 80


def test_who_is_not_asked():
    always = Survey(rate=1.0, cooldown=1, surfaces=("home",))
    assert always.asks("u1", "home", 0.0)
    assert not always.asks("", "home", 0.0)
    assert not always.asks("u1", "mail", 0.0)


def test_settings(tmp_path):
    path = tmp_path / "survey.toml"
    path.write_text('[survey]\nquestion = "Good?"\nlow = 0\nhigh = 10\nrate = 0.05\ncooldown = 7\n')
    assert Survey.read(path) == Survey(question="Good?", low=0.0, high=10.0, rate=0.05, cooldown=7)
    for table, words in (
        ({"rate": 0.2, "cooldown": 10}, "more than once in 10 days, the cooldown; at most 0.1"),
        ({"low": 5.0, "high": 1.0}, "low 5 must lie below high 1"),
        ({"cooldwn": 3}, r"\[survey\] has no setting 'cooldwn'. Did you mean 'cooldown'"),
        ({"rate": "often"}, r"\[survey\] rate is 'often'. It must be a number"),
    ):
        with pytest.raises(SettingError, match=words):
            Survey.of(table)
    path.write_text("[questions]\n")
    with pytest.raises(MissingError, match=r"has no table \[survey\]"):
        Survey.read(path)
    path.write_text("survey = [")
    with pytest.raises(SettingError, match="is no TOML"):
        Survey.read(path)
    with pytest.raises(MissingError, match="there is no survey"):
        Survey.read(tmp_path / "none.toml")


def log(survey, users=3000, days=25):
    """Decisions on some days of each user, as the engine would write them, and who was asked."""
    rng = np.random.default_rng(0)
    rows = []
    for u in range(users):
        for day in np.flatnonzero(rng.random(days) < 0.2):
            time = float(day) * DAY + 60.0
            details = json.dumps({"survey": survey.told()}) if survey.asks(f"u{u}", "home", time) else ""
            rows.append((f"d{len(rows)}", f"u{u}", time, "home", ["i1"], details))
    return pl.DataFrame(rows, schema=["id", "user", "time", "surface", "items", "details"], orient="row")


NOBODY = pl.DataFrame(
    schema={"user": pl.String, "kind": pl.String, "value": pl.Float64, "time": pl.Float64, "decision": pl.String}
)


def test_the_chance_of_a_user_is_that_of_all_their_days():
    survey = Survey(rate=0.08, cooldown=8)
    found = asked_users(log(survey), NOBODY, survey)
    share, chance = found["asked"].mean(), found["chance"].mean()
    assert share == pytest.approx(chance, abs=3 * (chance / found.height) ** 0.5)
    # those with a high chance are asked more often
    for part in (found.filter(pl.col("chance") > chance), found.filter(pl.col("chance") <= chance)):
        assert part["asked"].mean() == pytest.approx(part["chance"].mean(), abs=0.04)
    assert found["answer"].null_count() == found.height


def test_answers_that_count():
    survey = Survey(rate=1.0, cooldown=1)
    shown = log(survey, users=4, days=10)
    first = shown.group_by("user", maintain_order=True).first()
    ids = dict(zip(first["user"], first["id"], strict=True))
    said = pl.DataFrame(
        [
            ("u0", "survey", 2.0, 10.0, ids["u0"]),
            ("u0", "survey", 4.0, 20.0, ids["u0"]),  # the last one counts
            ("u1", "survey", 9.0, 10.0, ids["u1"]),  # outside of the scale
            ("u2", "survey", 3.0, 10.0, "d999999"),  # no slate of theirs
            ("u3", "rating", 3.0, 10.0, ids["u3"]),
        ],
        schema=NOBODY.schema,
        orient="row",
    )
    found = asked_users(shown, said, survey)
    assert found["answer"].to_list() == [4.0, None, None, None]
    assert found["chance"].to_list() == [1.0] * 4


def test_chances_of_answering():
    rng = np.random.default_rng(0)
    keen = rng.normal(size=(3000, 1))
    answered = rng.random(3000) < 1 / (1 + np.exp(1 - keen[:, 0]))
    chances = answer_chances(answered, keen)
    rough = np.where(keen[:, 0] > 0, 1, 0)
    for side in (0, 1):
        assert chances[rough == side].mean() == pytest.approx(answered[rough == side].mean(), abs=0.02)
    assert chances.min() >= 0.05
    few = answer_chances(np.arange(30) < 10, np.zeros((30, 2)))
    assert (few == few[0]).all()
    assert few[0] == pytest.approx(1 / 3)
    assert len(answer_chances(np.zeros(0, bool), np.zeros((0, 2)))) == 0
