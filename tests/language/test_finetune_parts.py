"""The parts of a fine-tuning against formulas written out."""

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the extra lm")

from recloop.data.dataset import Dataset  # noqa: E402
from recloop.language.finetune.augment import Augmentation, Synonyms  # noqa: E402
from recloop.language.finetune.objective import adversarial, in_batch_softmax  # noqa: E402
from recloop.language.finetune.pairs import Pairs, co_consumed, itself  # noqa: E402


def test_the_softmax_over_a_batch_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    left, right = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, 4, 3)))
    level, temperature = np.log(np.array([0.1, 0.2, 0.3, 0.4])), 0.5
    same = np.zeros((4, 4), dtype=bool)
    same[0, 2] = same[2, 0] = True
    logits = np.where(same, -np.inf, left @ right.T / temperature)
    wanted = 0.0
    for i in range(4):
        forward, backward = np.exp(logits[i] - level), np.exp(logits[:, i] - level)
        wanted -= np.log(forward[i] / forward.sum()) + np.log(backward[i] / backward.sum())
    tensors = [torch.from_numpy(array) for array in (left, right, same, level)]
    assert float(in_batch_softmax(*tensors, temperature)) == pytest.approx(wanted / 8)


def test_the_push_goes_where_the_loss_grows_and_no_farther_than_allowed() -> None:
    words = torch.ones(2, 3, 4)
    slope, seen = torch.arange(24.0).reshape(2, 3, 4), []

    def loss(at: torch.Tensor) -> torch.Tensor:
        seen.append(at.detach().clone())
        return (at * slope).sum()

    total = adversarial(loss, words, radius=0.1, ascents=1)
    moved = seen[1] - seen[0]
    assert moved.flatten(1).norm(dim=1).tolist() == pytest.approx([0.1 * 12**0.5] * 2)
    assert torch.nn.functional.cosine_similarity(moved.flatten(1), slope.flatten(1)).min() > 0.9999
    assert total.item() == pytest.approx(((loss(seen[0]) + loss(seen[1])) / 2).item())
    seen.clear()
    adversarial(loss, words, radius=0.1, ascents=3)
    assert len(seen) == 4
    assert (seen[3] - seen[0]).flatten(1).norm(dim=1).tolist() == pytest.approx([0.1 * 12**0.5] * 2)


def log() -> Dataset:
    """User u0 takes a b c a, u1 takes c d; item e has no text."""
    taken = {"u0": "abca", "u1": "cd", "u2": "ae"}
    rows = [
        {"user": user, "item": item, "time": float(n)} for user, items in taken.items() for n, item in enumerate(items)
    ]
    return Dataset.of(pl.DataFrame(rows))


@pytest.mark.parametrize(("window", "wanted"), [(1, "ab bc ca cd"), (2, "ab ac bc ba ca cd"), (9, "ab ac bc ba ca cd")])
def test_pairs_are_items_that_one_user_took_near_each_other(window: int, wanted: str) -> None:
    data = log()
    filled = np.array([item != "e" for item in data.item_ids.ids])
    fit, held = co_consumed(data, filled, window, seed=1)
    found = {
        data.item_ids[left] + data.item_ids[right]
        for pairs in (fit, held)
        for left, right in zip(pairs.left, pairs.right, strict=True)
    }
    assert found == {pair[::way] for pair in wanted.split() for way in (1, -1)}


def test_no_user_teaches_and_judges() -> None:
    rng = np.random.default_rng(0)
    events = pl.DataFrame({"user": np.repeat(np.arange(50), 4), "item": rng.integers(0, 1000, 200)})
    data = Dataset.of(events)
    fit, held = co_consumed(data, np.ones(data.n_items, dtype=bool), 3, seed=0)
    assert len(fit) > len(held) > 0
    taken = data.matrix().toarray() > 0
    owners = [
        {int(np.flatnonzero(taken[:, a] & taken[:, b])[0]) for a, b in zip(p.left, p.right, strict=True)}
        for p in (fit, held)
    ]
    assert not owners[0] & owners[1]


def test_pairs_are_drawn_by_weight() -> None:
    pairs = Pairs.of(np.array([0, 0, 0, 1], np.int32), np.array([1, 2, 3, 2], np.int32), 4)
    weights = np.array([1 / 3**0.5, 1 / 6**0.5, 1 / 3**0.5, 1 / 2**0.5])
    np.testing.assert_allclose(pairs.weights, weights / weights.sum())
    assert pairs.frequency.sum() == pytest.approx(1)
    drawn = np.bincount(pairs.draw(20_000, np.random.default_rng(0)), minlength=4) / 20_000
    np.testing.assert_allclose(drawn, pairs.weights, atol=0.02)
    whole, _ = itself(np.array([True, False] * 20), seed=0)
    assert (whole.left == whole.right).all()
    assert not (whole.left % 2).any()


def test_words_are_dropped_and_fields_change_places_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    said = [Augmentation(word_dropout=0.25)(["one two three four"], rng) for _ in range(500)]
    assert np.mean([len(text.split()) for text in said]) == pytest.approx(3, abs=0.1)
    assert all(said)
    turned = [Augmentation(shuffle_fields=0.5)(["a", "b"], rng) == "b. a" for _ in range(2000)]
    assert np.mean(turned) == pytest.approx(0.25, abs=0.04)  # half of them, and half of those stay by chance
    assert Augmentation(word_dropout=0.9)(["word"], rng) == "word"


def test_synonyms_are_near_words_and_pieces_stay() -> None:
    tokens = ["[PAD]", *(f"warm{c}" for c in "abcde"), *(f"cold{c}" for c in "abcde"), "##ly"]
    rng = np.random.default_rng(0)
    table = rng.normal(0, 0.1, (12, 8)).astype(np.float32)
    table[1:6, 0] += 5
    table[6:11, 1] += 5
    swap = Synonyms(table, tokens, np.arange(12), share=0.5)
    ids = np.tile(np.array([1, 6, 2, 11, 0]), (400, 1))  # the third word has a piece behind it
    found = swap(ids, rng)
    assert (found[:, 2:] == ids[:, 2:]).all()
    assert set(found[:, 0]) <= set(range(1, 6))
    assert set(found[:, 1]) <= set(range(6, 11))
    assert (found[:, 0] != 1).mean() == pytest.approx(0.5, abs=0.08)
