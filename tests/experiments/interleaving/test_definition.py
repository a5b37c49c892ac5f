import re

import pytest

from recloop.errors import SettingError
from recloop.experiments import Experiment
from recloop.experiments.designs import parse, policies
from recloop.experiments.interleaving import Interleaving, interleave

TEST = {"name": "home", "design": "interleaving", "policies": ["popular", "blend"]}


def test_it_is_what_json_and_toml_say_and_comes_back() -> None:
    found = parse({**TEST, "method": "optimised", "credit": {"click": 1, "purchase": 3.5}})
    assert isinstance(found, Interleaving)
    assert parse(found.to_dict()) == found
    assert found.fingerprint == parse(found.to_dict()).fingerprint
    assert policies(found) == {"place 1 of 'home'": "popular", "place 2 of 'home'": "blend"}


def test_without_a_design_it_is_a_split_of_users() -> None:
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
    for table in ({"name": "home", "variants": variants}, {"name": "home", "variants": variants, "design": "split"}):
        found = parse(table)
        assert isinstance(found, Experiment)
        assert policies(found) == {"variant 'a'": "popular", "variant 'b'": "blend"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"design": "interleavng"}, "[experiment] design is 'interleavng'. Did you mean 'interleaving'?"),
        ({"method": "team-daft"}, "there is no method 'team-daft'. Did you mean 'team-draft'?"),
        ({"policies": ["a"]}, "the policies to interleave are a; two or more, each once"),
        ({"policies": ["a", "a"]}, "the policies to interleave are a, a; two or more, each once"),
        (
            {"policies": ["a", "b", "c"], "method": "balanced"},
            "balanced interleaving got 3 policies; it takes two; use team-draft or pairwise",
        ),
        ({"credit": {"click": -1}}, "an event 'click' is worth -1.0; a number above 0"),
        ({"credit": {}}, "no kind of event earns credit; set credit = { click = 1.0 }"),
        ({"alpha": 0.7}, "alpha is 0.7; it lies between 0 and 0.5"),
        ({"window": 0}, "window is 0.0; it lies between 0 and"),
        ({"planned_users": 50}, "minimum_users is 100 and planned_users 50; 2 <= minimum_users <= planned_users"),
        ({"name": "my test"}, "the experiment is named 'my test'; 1 to 100 letters"),
        ({"polices": []}, "[interleaving] has no setting 'polices'. Did you mean 'policies'?"),
    ],
)
def test_what_is_not_allowed(change: dict, said: str) -> None:
    with pytest.raises(SettingError, match=re.escape(said)):
        parse({**TEST, **change})


def test_the_coins_hang_on_salt_and_key_alone() -> None:
    test = Interleaving(name="home", policies=("a", "b"))
    keys = [f"d{i}" for i in range(400)]
    one = [interleave(test, ["xy", "yx"], 2, key).items for key in keys]
    assert one == [interleave(test, ["xy", "yx"], 2, key).items for key in keys]
    assert one != [interleave(test.revised(alpha=0.1), ["xy", "yx"], 2, key).items for key in keys]
    assert 150 < one.count(("x", "y")) < 250
    assert interleave(test, ["abcd", "badc"], 4, "d1").items == tuple("abcd")  # the same on every machine


def test_each_policy_brings_a_ranking() -> None:
    with pytest.raises(SettingError, match="3 rankings came for 2 policies; one each"):
        interleave(Interleaving(name="home", policies=("a", "b")), ["x", "y", "z"], 1, "d1")
