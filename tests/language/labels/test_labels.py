"""Labels learned from examples: the head against closed forms, letters, the measure, and what is kept on disk."""

import json

import numpy as np
import pytest
from scipy import sparse

from recloop.errors import ArtifactError, DataError, SettingError
from recloop.language.labels import Labeller, class_f1, cross_validated, folds, mutual_information
from recloop.language.labels.grams import BUCKETS, Grams, plain_words
from recloop.language.labels.labeller import HEADS, NOTE
from recloop.language.labels.softmax import SoftmaxHead

BAGS = [f"{a} bag {b}" for a in ("my", "the", "our") for b in ("was lost", "never came", "is missing", "is broken")]
LATE = [f"{a} hours {b}" for a in ("two", "many", "some") for b in ("late", "of delay", "waiting", "behind")]


def test_the_head_gives_the_counts_where_nothing_is_penalised():
    groups = np.repeat([0, 1, 2], [50, 30, 20])
    labels = np.concatenate([np.repeat([0, 1, 2], n) for n in ([30, 15, 5], [3, 21, 6], [4, 4, 12])])
    head = SoftmaxHead.fit(np.eye(3)[groups], labels, 3, ridge=1e-7, balance=0)
    wanted = [[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6]]
    np.testing.assert_allclose(head.probabilities(np.eye(3)), wanted, atol=2e-3)


def test_balance_makes_classes_count_alike():
    labels = np.repeat([0, 1], [90, 10])
    nothing = np.zeros((100, 1))
    shares = [SoftmaxHead.fit(nothing, labels, 2, balance=b).probabilities(nothing)[0, 1] for b in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.1, 0.25, 0.5], abs=1e-4)


def test_dense_and_sparse_features_give_the_same_head():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)) * (rng.random((60, 5)) < 0.4)
    y = rng.integers(0, 3, 60)
    dense, thin = SoftmaxHead.fit(x, y, 3), SoftmaxHead.fit(sparse.csr_array(x), y, 3)
    np.testing.assert_allclose(dense.weights, thin.weights, atol=1e-5)


def test_what_a_head_cannot_learn():
    with pytest.raises(DataError, match="1 of 2 classes have examples; at least two classes, each with an example"):
        SoftmaxHead.fit(np.zeros((3, 1)), np.zeros(3, int), 2)
    with pytest.raises(DataError, match="3 texts come with 2 labels"):
        SoftmaxHead.fit(np.zeros((3, 1)), np.array([0, 1]), 2)
    with pytest.raises(SettingError, match="ridge 0"):
        SoftmaxHead.fit(np.zeros((2, 1)), np.array([0, 1]), 2, ridge=0)


def test_letters_know_words_with_errors_and_texts_stay_apart():
    grams = Grams.of(BAGS + LATE)
    near, typo, far = grams.encode(["bag lost", "bagg losst", "hours late"]).toarray()
    assert near @ typo > 0.5 > near @ far
    # a run never reaches over the end of a text: the same texts in another order have the same rows
    assert (grams.encode(BAGS[::-1]).toarray()[::-1] == grams.encode(BAGS).toarray()).all()
    assert grams.encode(["", "😡"]).nnz <= BUCKETS
    assert grams.encode([]).shape == (0, BUCKETS)
    assert plain_words("@a https://x.y/z " + "ab " * 10**6).startswith("ab ab")


def test_f1_and_information():
    truth, told = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    assert class_f1(truth, told, 3) == pytest.approx([4 / 6, 4 / 5, 0])
    assert mutual_information(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])) == pytest.approx(0.3437, abs=1e-4)
    assert mutual_information(truth, np.zeros(6, int)) == 0
    with pytest.raises(DataError, match="groupings of 6 and 2 texts"):
        mutual_information(truth, told[:2])


def test_folds_spread_each_class():
    labels = np.repeat([0, 1, 2], [50, 25, 5])
    found = folds(labels, 5, np.random.default_rng(1))
    assert (np.stack([np.bincount(found[labels == c], minlength=5) for c in range(3)]) == [[10], [5], [1]]).all()


def test_nothing_is_measured_on_what_was_learned():
    labels = np.array([0, 1] * 10)

    def predict(known, asked):
        assert not set(known) & set(asked)
        return labels[asked]

    found = cross_validated(labels, ("a", "b"), predict)
    assert (found.n, found.macro_f1, found.f1) == (20, 1.0, {"a": 1.0, "b": 1.0})
    with pytest.raises(DataError, match="the label 'b' has 1 texts"):
        cross_validated(np.array([0, 0, 1]), ("a", "b"), predict)


@pytest.fixture(scope="module")
def labeller():
    return Labeller.learn(BAGS + LATE, ["bag"] * len(BAGS) + ["late"] * len(LATE))


def test_a_labeller_is_the_same_after_it_was_kept(labeller, tmp_path):
    labeller.save(tmp_path)
    other = Labeller.load(tmp_path)
    texts = ["they lost my suitcase", "we waited for hours", "", "😡", "gepäck verloren"]
    np.testing.assert_allclose(labeller.probabilities(texts), other.probabilities(texts), atol=1e-5)
    assert other.label(texts[:2]) == ["bag", "late"]
    assert labeller.probabilities(texts).sum(axis=1) == pytest.approx(1)
    assert labeller.label([]) == []


def test_a_damaged_or_foreign_labeller_is_told(labeller, tmp_path):
    with pytest.raises(ArtifactError, match=r"holds no labeller .* make one: recloop ux learn-labels"):
        Labeller.load(tmp_path)
    labeller.save(tmp_path)
    note = json.loads((tmp_path / NOTE).read_text())
    (tmp_path / NOTE).write_text(json.dumps({**note, "fingerprint": "other"}))
    with pytest.raises(ArtifactError, match="was learned with another encoder"):
        Labeller.load(tmp_path)
    (tmp_path / HEADS).write_bytes(b"junk")
    with pytest.raises(ArtifactError, match="holds no labeller"):
        Labeller.load(tmp_path)


def test_texts_without_labels_tell_how_common_a_class_is(labeller):
    others = LATE * 20 + BAGS
    told = Labeller.learn(BAGS + LATE, ["bag"] * len(BAGS) + ["late"] * len(LATE), labeller.encoder, others=others)
    assert told.common[1] > told.common[0]
    unclear = ["what a day"]
    assert told.probabilities(unclear)[0, 1] > labeller.probabilities(unclear)[0, 1]


def test_what_cannot_be_labelled():
    with pytest.raises(DataError, match="1 texts come with 2 labels"):
        Labeller.learn(["a"], ["x", "y"])
    with pytest.raises(DataError, match="the labels name 1 class; at least two are wanted"):
        Labeller.learn(["a", "b"], ["x", "x"])
