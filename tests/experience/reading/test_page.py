"""The page of what users say: colours by what is worse for users, and how far it can be trusted."""

from dataclasses import replace

import pytest

from recloop.experience.reading import Quote, Reading, Theme
from recloop.experience.reading.results import Comparison, Shift
from recloop.language import load_encoder
from recloop.language.aspects import Aspects, shipped_aspects
from recloop.report.feedback_page import feedback_page
from recloop.stats import Mean, Moments, newcombe

SAD = Theme(
    "bags", "words", ("bags",), 9, 9, 0.3, Mean(-0.5, -0.6, -0.4, 9), (Quote("c1", "<b>lost</b>"),), ("9 users.",)
)
GLAD = replace(SAD, name="picks", mood=Mean(0.5, 0.4, 0.6, 9))
MORE, LESS = (newcombe(Moments.of_share(a, 100), Moments.of_share(b, 100)) for a, b in ((60, 20), (20, 60)))


@pytest.mark.parametrize(
    ("theme", "effect", "clear", "tone"),
    [
        (SAD, MORE, True, "bad"),
        (SAD, LESS, True, "good"),
        (GLAD, MORE, True, "good"),
        (GLAD, LESS, True, "bad"),
        (replace(SAD, mood=None), MORE, True, "quiet"),
        (SAD, MORE, False, "quiet"),
    ],
)
def test_less_of_what_users_are_glad_about_is_not_green(theme, effect, clear, tone):
    shift = Shift(theme.name, 60, 20, effect, 0.01, clear, f"{theme.name}: told")
    one = Comparison("new", "old", (100, 100), "users who wrote", (), (), (shift,))
    reading = Reading(30, 30, None, "Mood: measured", 0.1, (theme,), (), (one,), placed="Aspects: measured")
    page = feedback_page(reading, 0.0)
    assert (f'<span class="badge {tone}">' in page) == clear
    assert "&lt;b&gt;lost&lt;/b&gt;" in page
    assert "Mood: measured" in page
    assert "Aspects: measured" in page


def test_aspects_say_how_right_they_are_on_their_own_examples():
    shipped = shipped_aspects()
    found = Aspects(load_encoder()).accuracy
    assert found.n == sum(map(len, shipped.values()))
    assert found.wrong < found.right < found.n
    alone = Aspects(load_encoder(), {"wifi": ["the wifi drops"]})
    assert alone.accuracy is None
    split = Aspects(load_encoder(), {"price": ["too expensive", "far too expensive"], "wifi": ["the wifi drops"]})
    assert (split.accuracy.right, split.accuracy.wrong) == (2, 0)
