import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recloop.errors import DataError, SettingError
from recloop.language import Sentiment
from recloop.language.sentiment import RIDGES, _ridge, shipped_examples
from recloop.stats.auc import auc

spec = importlib.util.spec_from_file_location("letters", Path(__file__).with_name("letters.py"))
letters = importlib.util.module_from_spec(spec)
spec.loader.exec_module(letters)


@pytest.fixture(scope="module")
def mood() -> Sentiment:
    return Sentiment()


def test_the_shipped_sentences_are_distinct_and_of_three_kinds():
    pairs = shipped_examples()
    assert len({text.lower() for text, _ in pairs}) == len(pairs) >= 200
    counts = Counter(label for _, label in pairs)
    assert set(counts) == {-1.0, 0.0, 1.0} and min(counts.values()) > 50


def test_scores_stay_between_minus_one_and_one_and_follow_the_words(mood):
    texts = [
        "I am delighted with this camera",
        "the camera has a strap",
        "I am furious about this camera",
        "not happy with it at all",
        "not a bad camera, I am happy",
    ]
    scores = mood.score(texts)
    assert scores.dtype == np.float32 and scores.shape == (5,)
    assert (np.abs(scores) <= 1).all()
    assert scores[0] > 0.3 > abs(scores[1]) and scores[2] < -0.3
    assert scores[4] > 0 > scores[3]


def test_a_blank_text_says_nothing(mood):
    assert mood.score(["", "  \n"]).tolist() == [0, 0]
    assert mood.score([]).shape == (0,)


def test_a_text_is_encoded_once_and_leaves_nothing_on_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("RECLOOP_CACHE", str(tmp_path))
    encoder = letters.Letters()
    mood = Sentiment(encoder, examples=[("a", 1.0), ("b", -1.0)])
    stored = {path: path.read_bytes() for path in tmp_path.rglob("*.sqlite")}
    encoder.seen.clear()
    first = mood.score(["aab", "bad dub", " aab ", ""])
    assert sorted(encoder.seen) == ["", "aab", "bad dub"]
    assert mood.score(["", "aab", "bad dub"]).tolist() == [0, first[0], first[1]]
    assert len(encoder.seen) == 3 and first[0] > first[1]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.sqlite")} == stored
    monkeypatch.setattr("recloop.language.sentiment.MEMORY", 3)
    assert mood.score(["new", "aab", "bad dub"]).tolist()[1:] == [first[0], first[1]]
    assert len(mood._known) == 3


def test_the_ridge_is_the_one_with_the_least_leave_one_out_error():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(30, 50))
    y = np.clip(X[:, 0] + rng.normal(size=30), -1, 1)

    def fit(rows, ridge):
        centre, level = X[rows].mean(axis=0), y[rows].mean()
        Z = X[rows] - centre
        w = np.linalg.solve(Z.T @ Z + ridge * np.eye(50), Z.T @ (y[rows] - level))
        return w, level - centre @ w

    def left_out(ridge):
        total = 0.0
        for row in range(30):
            w, b = fit(np.arange(30) != row, ridge)
            total += (X[row] @ w + b - y[row]) ** 2
        return total

    errors = [left_out(ridge) for ridge in RIDGES]
    w, b, predicted = _ridge(X, y)
    assert np.square(predicted - y).sum() == pytest.approx(min(errors))
    wanted_w, wanted_b = fit(np.ones(30, bool), RIDGES[int(np.argmin(errors))])
    np.testing.assert_allclose(w, wanted_w, atol=1e-8)
    assert b == pytest.approx(wanted_b)


def test_auc_is_the_share_of_ordered_pairs():
    rng = np.random.default_rng(0)
    high, low = rng.integers(0, 9, 40).astype(float), rng.integers(0, 7, 70).astype(float)
    pairs = (high[:, None] > low) + 0.5 * (high[:, None] == low)
    assert auc(high, low) == pytest.approx(pairs.mean())


def test_measure_counts_the_classes():
    mood = Sentiment(letters.Letters(), examples=[("a", 1.0), ("b", -1.0)])
    found = mood.measure(["a", "b", "a", ""], [5, -2, -1, 0])
    assert found.n == 4
    assert found.auc == pytest.approx(0.75)
    assert found.agreement == pytest.approx(0.75)
    assert (
        str(found) == "on 4 labelled texts: AUC 0.750 (positive against negative), 75% put in the right class of three"
    )


def test_what_cannot_be_learned_or_measured():
    encoder = letters.Letters()
    with pytest.raises(DataError, match="the 2 examples do not differ in their label"):
        Sentiment(encoder, examples=[("a", 1), ("b", 1)])
    with pytest.raises(SettingError, match=r"outside \[-1, 1\]; 1 is positive"):
        Sentiment(encoder, examples=[("a", 1), ("b", 5)])
    mood = Sentiment(encoder, examples=[("a", 1.0), ("b", -1.0)])
    with pytest.raises(SettingError, match="one text was given where a list is wanted"):
        mood.score("a text")
    with pytest.raises(SettingError, match="2 texts come with 1 labels; one label per text"):
        mood.measure(["a", "b"], [1])
    with pytest.raises(DataError, match="the labels are not both positive and negative"):
        mood.measure(["a", "b"], [1, 0])


@pytest.mark.data
def test_product_reviews(mood, data_dir):
    table = pl.read_csv(data_dir / "feedback" / "amazon_alexa.tsv", separator="\t").gather_every(3)
    stars, texts = table["rating"].to_numpy(), table["verified_reviews"].fill_null("").to_list()
    found = mood.measure(texts, stars - 3)
    assert found.auc > 0.89  # 0.925 over all 3,150
    assert found.agreement > 0.64


@pytest.mark.data
def test_complaints_to_airlines(mood, data_dir):
    table = pl.read_parquet(data_dir / "feedback" / "airline_tweets.parquet").gather_every(10)
    labels = table["airline_sentiment"].replace_strict({"positive": 1, "neutral": 0, "negative": -1})
    found = mood.measure(table["text"].to_list(), labels.to_numpy())
    assert found.auc > 0.90  # 0.934 over all 14,640
    assert found.agreement > 0.52
