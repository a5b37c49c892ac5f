"""What wishes do to scores: left out, pulled up, pulled down."""

import numpy as np
import polars as pl
import pytest

from recloop.compose import build, policy_config
from recloop.compose.facets import Facets, years
from recloop.compose.rules import Rules
from recloop.compose.steering import LESS, Steerer, above_mean
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import ArtifactError, SettingError
from recloop.language.steer import Bound, Steer, parse
from recloop.progress import SILENT
from recloop.strategies.popular import Popular

FILMS = pl.DataFrame(
    {
        "item": list("abcdef"),
        "title": ["Alien (1979)", "Clue (1985)", "Scream (1996)", "Babe (1995)", "Untold", "Heat (1995)"],
        "category": ["Horror|Sci-Fi", "Comedy, Mystery", "Horror", "Children's Comedy|Drama", None, "Drama"],
        "price": [5.0, None, 10.0, 20.0, 25.0, 30.0],
    }
)


class Meanings:
    """An encoder that knows four words: funny, scary, sad and space are the axes."""

    name, dimension, fingerprint = "meanings", 4, "m1"

    def encode(self, texts, progress=SILENT):
        del progress
        axes = ("funny", "scary", "sad", "space")
        found = np.array([[word in text for word in axes] for text in texts], np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1)


ABOUT = Meanings().encode(["scary space", "funny", "scary funny", "funny sad", "", "sad"])


@pytest.fixture
def steerer() -> Steerer:
    return Steerer(Facets.of(FILMS), ABOUT, Meanings(), "m1")


def shown(steerer: Steerer, sentence: str) -> str:
    steering = steerer.steering([parse(sentence)])
    return "".join(np.array(list("abcdef"))[steering.shown[0]])


@pytest.mark.parametrize(
    ("sentence", "left"),
    [
        ("no horror", "bdef"),
        ("no comedies", "acef"),
        ("no sci-fi", "bcdef"),
        ("nothing for children", "abcef"),
        ("only horror", "ac"),
        ("only horror or mystery", "abc"),
        ("from the nineties", "cdf"),
        ("not from the nineties", "abe"),
        ("from the seventies or the eighties", "ab"),
        ("after 1980, before 1996", "bdf"),
        ("under 20 euros", "acd"),
        ("between 10 and 20 euros", "cd"),
        ("no horror, from the nineties, under 25 euros", "d"),
        ("only horror, no horror", ""),
    ],
)
def test_what_is_left_out(steerer, sentence, left):
    assert shown(steerer, sentence) == left


def test_facets():
    facets = Facets.of(FILMS)
    assert facets.names == ("children's comedy", "comedy", "drama", "horror", "mystery", "sci-fi")
    assert facets.named("zombies") is None and facets.named("") is None
    nothing = Facets.of(pl.DataFrame({"item": ["a", "b"]}))
    assert nothing.names == () and nothing.between(Bound("year", 1990, 1999)) is None
    lists = Facets.of(pl.DataFrame({"category": [["Toys", "Dolls"], [], None], "price": ["$9.99", "free", None]}))
    assert lists.names == ("dolls", "toys") and lists.price[0] == np.float32(9.99) and np.isnan(lists.price[1:]).all()


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("year", [1995, None, 2001]),
        pl.Series("release_date", ["1995-03-01", "", "12 May 2001"]),
        pl.Series("date", ["1995-03-01", None, "2001-01-01"]).str.to_date(),
        pl.Series("title", ["Heat (1995)", "Untold (at 9)", "2010 (2001)"]),
    ],
)
def test_years_of_items(column):
    assert np.nan_to_num(years(pl.DataFrame([column]))).tolist() == [1995, 0, 2001]


def test_pull_by_the_definition(steerer):
    steering = steerer.steering(
        [parse("funny"), parse("funny, space"), parse("funny, less sad"), parse("not scary"), parse("no horror")]
    )
    near = above_mean(Meanings().encode(["funny", "scary", "sad", "space"]) @ ABOUT.T)
    funny, scary, sad, space = near
    np.testing.assert_allclose(steering.pull[0], funny, atol=1e-6)
    np.testing.assert_allclose(steering.pull[1], (funny + space) / 2, atol=1e-6)
    np.testing.assert_allclose(steering.pull[2], funny - LESS * np.maximum(sad, 0), atol=1e-6)
    np.testing.assert_allclose(steering.pull[3], -np.maximum(scary, 0), atol=1e-6)
    assert not steering.pull[4].any()  # a category: left out, and nothing is pulled
    assert near.max(axis=1) == pytest.approx(1) and near.mean(axis=1) == pytest.approx(0, abs=1e-6)


def test_a_category_that_is_wished_for_counts_as_half_of_what_is_near(steerer):
    pull = steerer.steering([parse("drama")]).pull[0]
    np.testing.assert_allclose(pull, [0, 0, 0, 0.5, 0, 0.5], atol=1e-6)


def test_scores_are_mixed_by_strength(steerer):
    scores = np.array([[1, 2, 3, 4, 5, -np.inf]], np.float32)
    for strength in (0.0, 0.3, 1.0):
        steering = steerer.steering([parse("funny, under 20 euros", strength)])
        mixed = scores.copy()
        Rules(hide_seen=False, steering=steering).apply(mixed, Histories.of([[]], n_items=6))
        there = scores[0, [0, 2, 3]]
        wanted = (1 - strength) * (there - there.mean()) / (there.max() - there.mean())
        np.testing.assert_allclose(mixed[0, [0, 2, 3]], wanted + strength * steering.pull[0, [0, 2, 3]], atol=1e-6)
        assert np.isneginf(mixed[0, [1, 4, 5]]).all()


def test_a_bound_alone_leaves_the_scores_as_they_are(steerer):
    scores = np.arange(6, dtype=np.float32)[None]
    Rules(hide_seen=False, steering=steerer.steering([parse("under 20 euros")])).apply(
        scores, Histories.of([[]], n_items=6)
    )
    assert scores.tolist() == [[0, -np.inf, 2, 3, -np.inf, -np.inf]]


def test_scores_that_are_all_equal_or_hidden_give_no_nan():
    found = above_mean(np.array([[2, 2], [-np.inf, -np.inf], [3, -np.inf]], np.float32))
    assert found.tolist() == [[0, 0], [-np.inf, -np.inf], [0, -np.inf]]


def test_requests_of_one_batch_are_steered_each_by_its_own(steerer):
    log = pl.DataFrame({"user": list("uuuvvw"), "item": list("fedbca")})
    data = Dataset.of(log, FILMS)
    policy = build(policy_config({"sources": ["popular"], "fallback": ""}), {"popular": Popular().fit(data)})
    steers = [None, parse("no horror"), Steer(), parse("only horror"), parse("scary", 1.0)]
    histories = Histories.of([[]] * 5, n_items=6)
    every = policy.choose({}, histories, 6, np.random.default_rng(0), steering=steerer.steering(steers)).rankings.items
    alone = [
        policy.choose(
            {}, histories.block(row, row + 1), 6, np.random.default_rng(0), steering=steerer.steering([steers[row]])
        ).rankings.items[0]
        for row in range(5)
    ]
    np.testing.assert_array_equal(every, alone)
    assert sorted(every[1].tolist()) == [-1, -1, 1, 3, 4, 5] and sorted(every[3].tolist()) == [-1, -1, -1, -1, 0, 2]
    np.testing.assert_array_equal(every[0], every[2])
    assert every[4, 0] in (0, 2)
    with pytest.raises(SettingError, match=r"'steering' has 1 rows; one per request is needed: 5"):
        policy.choose({}, histories, 6, np.random.default_rng(0), steering=steerer.steering([None]))


def test_a_catalogue_without_years_takes_the_words_as_a_wish():
    films = FILMS.with_columns(title=pl.lit("x"))
    steering = Steerer(Facets.of(films), ABOUT, Meanings()).steering([Steer(bounds=parse("from the nineties").bounds)])
    assert steering.shown.all()


def test_without_vectors_only_facets_can_be_wished_for():
    bare = Steerer(Facets.of(FILMS))
    assert bare.steering([parse("drama, no horror")]).shown[0].tolist() == [False, True, False, True, True, True]
    with pytest.raises(SettingError, match=r"nothing says which items are like 'funny'; without vectors of the item"):
        bare.steering([parse("funny, no horror")])


def test_another_encoder_than_that_of_the_items_is_refused():
    with pytest.raises(ArtifactError, match=r"the encoder 'meanings' gives vectors of 4 numbers, and is not the one"):
        Steerer(Facets.of(FILMS), ABOUT[:, :3], Meanings()).steering([parse("funny")])
    with pytest.raises(ArtifactError, match="train again with this encoder"):
        Steerer(Facets.of(FILMS), ABOUT, Meanings(), "m0").steering([parse("funny")])
