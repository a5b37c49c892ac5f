"""Learned fusion: better than ranks where sources know different things, and a text that anybody can read."""

import importlib.util

import numpy as np
import pytest

from recloop.compose import Catalogue, build, policy_config
from recloop.compose.fusion import Fused, reciprocal_rank
from recloop.compose.fusion.learned import LearnedFusion, features, learn_fusion
from recloop.data.histories import Histories
from recloop.data.rankings import Rankings, top_k
from recloop.errors import ArtifactError, DataError, ExtraError, SettingError

installed = pytest.mark.skipif(not importlib.util.find_spec("lightgbm"), reason="the extra 'blend' is not installed")
N_ITEMS = 60


def world(n: int, seed: int) -> tuple[list[Rankings], Histories, np.ndarray]:
    """Three sources over true utilities: one knows those with long histories, one those with short, one is noise."""
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=(n, N_ITEMS))
    long = rng.random(n) < 0.5
    noise = np.where(long, 0.4, 3.0)[:, None], np.where(long, 3.0, 0.4)[:, None], np.full((n, 1), 6.0)
    sources = [top_k((utility + rng.normal(size=utility.shape) * s).astype(np.float32), 40) for s in noise]
    histories = Histories.of([[0] * (30 if old else 2) for old in long], n_items=N_ITEMS)
    relevant = utility >= np.sort(utility, axis=1)[:, -5:-4]
    return sources, histories, relevant


def ndcg(fused: Fused, relevant: np.ndarray, k: int = 10) -> float:
    items = fused.rankings.items[:, :k]
    hit = (items >= 0) & relevant[np.arange(len(items))[:, None], items]
    worth = 1 / np.log2(np.arange(k) + 2)
    return float((hit @ worth / worth[:5].sum()).mean())


@installed
def test_it_learns_whom_each_source_knows() -> None:
    sources, histories, relevant = world(400, 1)
    fused = reciprocal_rank(sources, N_ITEMS)
    taken = relevant[np.arange(400)[:, None], fused.rankings.items]
    text = learn_fusion(sources, histories, taken, fused=fused, rounds=60)
    assert text == learn_fusion(sources, histories, taken, fused=fused, rounds=60)
    others, who, truth = world(400, 2)
    learned = ndcg(LearnedFusion(text, 3).fuse(others, N_ITEMS, who), truth)
    assert learned > ndcg(reciprocal_rank(others, N_ITEMS), truth) + 0.08
    best_alone = max(ndcg(reciprocal_rank([one], N_ITEMS), truth) for one in others)
    assert learned > best_alone + 0.1


@installed
def test_a_model_for_other_sources_or_none_at_all() -> None:
    sources, histories, relevant = world(60, 3)
    fused = reciprocal_rank(sources, N_ITEMS)
    text = learn_fusion(
        sources, histories, relevant[np.arange(60)[:, None], fused.rankings.items], fused=fused, rounds=3
    )
    with pytest.raises(ArtifactError, match="reads 12 numbers of a candidate, and 2 sources give 9"):
        LearnedFusion(text, 2)
    with pytest.raises(ArtifactError, match="the model of a learned fusion cannot be read"):
        LearnedFusion("hello", 2)
    nothing = [Rankings(np.full((2, 3), -1, np.int32), np.full((2, 3), -np.inf, np.float32))] * 3
    empty = LearnedFusion(text, 3).fuse(nothing, 4, histories.take(np.arange(2)))
    assert (empty.rankings.items == -1).all()


@installed
def test_nothing_was_taken() -> None:
    sources, histories, _ = world(5, 4)
    fused = reciprocal_rank(sources, N_ITEMS)
    with pytest.raises(DataError, match="no candidate of any validation user was taken"):
        learn_fusion(sources, histories, np.zeros(fused.rankings.items.shape, bool), fused=fused)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recloop.compose.fusion.learned.find_spec", lambda _name: None)
    with pytest.raises(ExtraError) as caught:
        LearnedFusion("tree", 1)
    assert str(caught.value) == (
        "learned fusion needs the extra 'blend', which is not installed; pip install 'recloop[blend]'."
    )


def test_a_policy_without_its_model() -> None:
    from tests.compose.test_policy import DATA, UP, Fixed
    from tests.compose.test_slots import ITEMS

    config = policy_config({"sources": ["up"], "fallback": "", "fusion": "learned"})
    with pytest.raises(SettingError, match="the fusion is to be learned, and there is no model ''; let a run train it"):
        build(config, {"up": Fixed(UP).fit(DATA)}, catalogue=Catalogue(ITEMS))


def test_features_against_a_loop() -> None:
    sources, histories, _ = world(6, 5)
    sources[1] = Rankings(sources[1].items[:, :0], sources[1].scores[:, :0])  # a source that found nothing
    fused = reciprocal_rank(sources, 50)
    found = features(sources, fused, histories)
    for row in range(6):
        for place, item in enumerate(fused.rankings.items[row]):
            expected = []
            for one in sources:
                held = one.items[row].tolist()
                if item < 0 or item not in held:
                    expected += [0.0, 0.0, 0.0]
                    continue
                scores, at = one.scores[row], held.index(item)
                expected += [(scores[at] - scores.min()) / (scores.max() - scores.min()), 1 / (at + 1), 1.0]
            expected += [max(float(fused.rankings.scores[row, place]), 0.0), sum(expected[2::3])]
            np.testing.assert_allclose(found[row, place, :-1], expected, rtol=1e-5)
