import re

import numpy as np
import polars as pl

from recloop.simulate import World
from recloop.simulate.catalogue import catalogue
from recloop.simulate.grammar import CATEGORIES


def tfidf(texts: list[str]) -> np.ndarray:
    """Unit rows of word counts times inverse document frequency."""
    words = [re.findall(r"[a-z]+", text.lower()) for text in texts]
    index = {word: place for place, word in enumerate(sorted({w for row in words for w in row}))}
    counts = np.zeros((len(texts), len(index)))
    for row, found in enumerate(words):
        np.add.at(counts, (row, [index[w] for w in found]), 1)
    weighed = counts * np.log(len(texts) / (counts > 0).sum(axis=0))
    return weighed / np.linalg.norm(weighed, axis=1, keepdims=True)


def test_the_text_tells_the_category_and_the_latent_vector(world: World) -> None:
    items = world.items
    vectors = tfidf((items["title"] + " " + items["description"]).to_list())
    near = vectors @ vectors.T
    np.fill_diagonal(near, -1)
    nearest = near.argmax(axis=1)
    category = items["category"].to_numpy()
    assert np.mean(category == category[nearest]) > 0.5 > 10 * np.mean(category == np.roll(category, 1))
    latent = world.catalogue.vectors @ world.catalogue.vectors.T
    pairs = np.triu_indices(len(items), 1)
    assert np.corrcoef(near[pairs], latent[pairs])[0, 1] > 0.3


def test_items_read_like_a_shop(world: World) -> None:
    items = world.items
    assert items["title"].n_unique() > 0.98 * items.height
    sentences = items["description"].str.count_matches(r"[.!?](\s|$)")
    assert sentences.min() >= 1
    assert sentences.max() <= 3
    for name in ("title", "description"):
        assert not items[name].str.contains(r"  |\.\.| ,|None|\{|\|").any(), name
    assert not items["description"].str.contains(r"\b[Aa] [aeiou]").any()
    assert not items["description"].str.contains(r"\bAn? [a-z ]*(boots|gloves|headphones|seeds|socks)\b").any()
    assert items["price"].min() > 0
    assert items.null_count().sum_horizontal()[0] == 0
    by_category = items.group_by("category").agg(pl.col("department").n_unique())
    assert by_category["department"].max() == 1


def test_prices_follow_the_category(world: World) -> None:
    usual = {entry.name: entry.price for entry in CATEGORIES}
    median = world.items["category"].replace_strict(usual, return_dtype=pl.Float64)
    np.testing.assert_allclose(world.catalogue.expensive, np.log(world.items["price"] / median), rtol=1e-5, atol=1e-6)
    assert abs(np.mean(world.catalogue.expensive)) < 0.3


def test_some_items_arrive_during_the_log(world: World) -> None:
    late = world.catalogue.arrived >= world.start
    assert 0.2 < late.mean() < 0.4
    assert world.catalogue.arrived.max() < world.end


def test_vectors_are_made_of_attributes(world: World) -> None:
    shop = world.catalogue
    assert 0.8 < np.linalg.norm(shop.vectors, axis=1).mean() < 1.2
    meaning = shop.meanings["category"]
    home = np.array([entry.department for entry in CATEGORIES])
    likeness = meaning @ meaning.T
    same = (home[:, None] == home) & ~np.eye(len(home), dtype=bool)
    assert likeness[same].mean() > 0.2 > likeness[home[:, None] != home].mean() + 0.1


def test_wording_does_not_shift_what_items_are() -> None:
    one, other = (catalogue(50, 0.0, 10, np.random.default_rng(5)) for _ in range(2))
    assert one.items.equals(other.items)
    np.testing.assert_array_equal(one.vectors, other.vectors)
