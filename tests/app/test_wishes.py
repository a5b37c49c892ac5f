"""A release that reads texts follows a sentence about what items are like, and tells which words moved them."""

import pytest

pytest.importorskip("openvino", reason="the extra 'text' is not installed")

import polars as pl

from recloop.app.engine import Engine
from recloop.app.finder import Finder
from recloop.compose import SlateConfig
from recloop.data.dataset import Dataset
from recloop.errors import ArtifactError
from recloop.loop.release import Release, build_release, load
from recloop.loop.vectors import item_vectors
from recloop.store import Store
from recloop.strategies.content import Content
from recloop.strategies.popular import Popular
from recloop.types import Event, Request

# Far enough apart that eight-bit encoders agree with float32: the margins in cosine are above 0.1
TITLES = {
    "novel": "a detective novel set in Venice",
    "thriller": "a crime novel about a missing judge",
    "poems": "poems about rivers and winter",
    "drill": "a cordless drill with two batteries",
    "saw": "a cordless saw with a spare battery",
    "hammer": "a claw hammer with a steel handle",
    "tea": "green tea, a warm drink from Japan",
    "coffee": "a strong coffee to drink, dark roasted",
    "juice": "apple juice, a cold drink",
    "boots": "waterproof hiking boots",
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("wishes")
    log = pl.DataFrame({"user": list("aabbcc"), "item": ["novel", "saw", "novel", "tea", "saw", "boots"]})
    shop = Dataset.of(log, pl.DataFrame({"item": list(TITLES), "title": list(TITLES.values())}))
    strategies = {"content": Content(lexical=2.0).fit(shop), "popular": Popular().fit(shop)}
    vectors = item_vectors(strategies.values(), shop)
    assert vectors.origin == "texts, encoder 'default'"
    built = build_release(
        folder / "one",
        name="one",
        version=1,
        dataset=shop,
        strategies=strategies,
        policies={"content": SlateConfig(sources=["content"]), "popular": SlateConfig(sources=["popular"])},
        default_policy="content",
        vectors=vectors.values,
        encoder=vectors.encoder,
        fingerprint=vectors.fingerprint,
    )
    return load(built)


@pytest.fixture
def engine(release: Release, tmp_path):
    with Store(tmp_path / "store.db") as store:
        yield Engine(store, release, seed=1)


SAW = (Event("u", "saw", "view", 1.0),)


def test_a_wish_pulls_what_is_like_it(engine: Engine) -> None:
    def first(steer: str, strength: float = 0.5, k: int = 1) -> list[str]:
        slate = engine.decide(Request(history=SAW, k=k, steer=steer, strength=strength)).items
        return [entry.item for entry in slate]

    assert first("") == ["drill"]
    assert first("an espresso, please", 0.9) == ["coffee"]
    assert set(first("something to drink", 1.0, k=3)) == {"tea", "coffee", "juice"}
    assert first("no power tools", 0.9)[0] not in {"drill", "hammer"}
    assert first("something to drink", 0.0) == ["drill"]


def test_an_explanation_names_the_event_and_the_words(engine: Engine) -> None:
    history = (Event("u", "novel", "view", 1.0), *SAW)
    told = {entry.item: entry for entry in engine.decide(Request(history=history, k=2, explain=True)).items}
    assert set(told) == {"drill", "thriller"}
    assert told["drill"].because == ("saw",) and told["thriller"].because == ("novel",)
    assert "cordless" in told["drill"].words and "novel" in told["thriller"].words
    assert told["drill"].reason.startswith(f"because of {TITLES['saw']} in your history, by the word")


def test_vectors_of_another_encoder_are_refused(release: Release) -> None:
    from dataclasses import replace

    from recloop.language.steer import parse

    other = replace(release, fingerprint="another")
    with pytest.raises(ArtifactError, match="is not the one that made the 384 numbers of each item; train again"):
        other.steerer.steering([parse("something sweet")])
    gone = replace(release, encoder="encoders/moved-away")
    with pytest.raises(ArtifactError, match=r"the encoder 'encoders/moved-away', by which the items .* is not on this"):
        gone.steerer.steering([parse("something sweet")])


def test_a_sentence_finds_what_it_is_about_and_an_item_what_is_like_it(engine: Engine, release: Release) -> None:
    finder = Finder(engine)
    found = finder.search("a hot beverage", 3, (), {}).found  # no item holds either word
    assert found.by == "words and texts"
    assert {release.items[item] for item in found.items.tolist()} == {"tea", "coffee", "juice"}
    both = finder.search("a cordless tool, but no saw", 3, (), {}).found
    assert release.items[int(both.items[0])] == "drill"
    like = finder.similar("drill", 1, (), {}).found
    assert ([release.items[item] for item in like.items.tolist()], like.by) == (["saw"], "texts")
