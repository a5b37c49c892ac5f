"""Conditions on attributes: typed, and never met by what is not there."""

import pytest

from recloop.errors import SettingError
from recloop.experiments import Condition, Experiment

VARIANTS = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}


def parsed(**condition: object) -> Condition:
    (found,) = Experiment.parse({"name": "t", "variants": VARIANTS, "targeting": [condition]}).targeting
    return found


@pytest.mark.parametrize(
    ("condition", "given", "met"),
    [
        ({"equals": "de"}, "de", True),
        ({"equals": "de"}, "DE", False),
        ({"equals": 5}, "5.0", True),
        ({"equals": 5}, "five", False),
        ({"equals": True}, "true", True),
        ({"equals": True}, "True", True),
        ({"equals": True}, "1", False),
        ({"equals": False}, "false", True),
        ({"equals": "5"}, "5.0", False),  # a text is compared as one
        ({"in": ["de", "at"]}, "at", True),
        ({"in": ["de", 7]}, "7", True),
        ({"in": ["de", "at"]}, "fr", False),
        ({"minimum": 18}, "18", True),
        ({"minimum": 18, "maximum": 30}, "30.5", False),
        ({"maximum": 30}, "-1e3", True),
        ({"maximum": 30}, "", False),
        ({"maximum": 30}, "nan", False),
    ],
)
def test_what_meets_a_condition(condition: dict[str, object], given: str, met: bool) -> None:
    found = parsed(attribute="profile.x", **condition)
    assert found.met({"profile.x": given}) is met
    assert not found.met({"context.x": given})
    assert not found.met({})


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"attribute": "country", "equals": "de"}, "targeting names the attribute 'country'; it is profile.NAME"),
        ({"attribute": "profile.", "equals": "de"}, "targeting names the attribute 'profile.'"),
        ({"attribute": "surface", "equals": "home"}, "a surface is named in 'surfaces'"),
        ({"attribute": "profile.age"}, "asks for 0 things; one of equals, in, or minimum and maximum"),
        ({"attribute": "profile.age", "equals": 3, "minimum": 1}, "asks for 2 things"),
        ({"attribute": "profile.age", "minimum": 30, "maximum": 18}, "runs from 30.0 to 18.0; it is empty"),
        ({"attribute": "profile.age", "minimun": 30}, "has no setting 'minimun'. Did you mean 'minimum'?"),
        ({"attribute": "profile.age", "among": ["x"]}, "has no setting 'among'"),
        ({"attribute": "profile.age", "minimum": "old"}, "minimum is 'old'. It must be a number"),
    ],
)
def test_what_is_refused(condition: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        parsed(**condition)
    assert message in str(caught.value)


def test_there_and_back() -> None:
    found = Experiment.parse(
        {"name": "t", "variants": VARIANTS, "targeting": [{"attribute": "profile.country", "in": ["de", 7, True]}]}
    )
    assert found.to_dict()["targeting"] == ({"attribute": "profile.country", "in": ("de", 7.0, True)},)
    assert Experiment.parse(found.to_dict()) == found
