import numpy as np
import pytest

from recloop.compose.fusion import Calibration, Fused, cascade, comb_mnz, quotas, reciprocal_rank, weighted_score
from recloop.data.rankings import Rankings
from recloop.errors import SettingError


def ranked(*rows: list[tuple[int, float]], k: int | None = None) -> Rankings:
    k = k or max(len(row) for row in rows)
    items = np.full((len(rows), k), -1, np.int32)
    scores = np.full((len(rows), k), -np.inf, np.float32)
    for place, row in enumerate(rows):
        for column, (item, score) in enumerate(row):
            items[place, column], scores[place, column] = item, score
    return Rankings(items, scores)


def random_rankings(rng: np.random.Generator, n: int, n_items: int, k: int) -> Rankings:
    rows = []
    for _ in range(n):
        items = rng.permutation(n_items)[: rng.integers(0, k + 1)]
        rows.append(sorted(((int(i), float(rng.integers(0, 6))) for i in items), key=lambda pair: -pair[1]))
    return ranked(*rows, k=k)


def answers(fused: Fused) -> list[list[tuple[int, float, int]]]:
    r = fused.rankings
    return [
        [(i, s, o) for i, s, o in zip(*row, strict=True) if i >= 0]
        for row in zip(r.items.tolist(), r.scores.tolist(), fused.sources.tolist(), strict=True)
    ]


def test_reciprocal_rank_by_hand() -> None:
    # Cormack, Clarke & Büttcher, SIGIR 2009, formula (1) with k = 60: a = 1/61 + 1/62, b = 1/62 + 1/63, c = 1/61
    # divided by 2/61, the score of an item that both put first
    fused = reciprocal_rank([ranked([(0, 9.0), (1, 8.0)]), ranked([(2, 1.0), (0, 0.5), (1, 0.2)])], 4)
    assert fused.rankings.items.tolist() == [[0, 1, 2, -1]]
    expected = [(1 / 61 + 1 / 62) * 61 / 2, (1 / 62 + 1 / 63) * 61 / 2, 0.5]
    np.testing.assert_allclose(fused.rankings.scores[0, :3], expected, rtol=1e-6)
    assert fused.sources.tolist() == [[0, 0, 1, -1]]


def test_reciprocal_rank_weights_and_constant() -> None:
    a, b = ranked([(0, 1.0), (1, 0.5)]), ranked([(1, 1.0), (0, 0.5)])
    fused = reciprocal_rank([a, b], 2, weights=[3, 1], constant=0)
    # (3/1 + 1/2) / 4 and (3/2 + 1/1) / 4
    assert answers(fused) == [[(0, 0.875, 0), (1, 0.625, 0)]]


def test_agreement_scores_one() -> None:
    same = ranked([(7, 2.0), (3, 1.0)])
    assert reciprocal_rank([same, same, same], 1).rankings.scores.tolist() == [[1.0]]
    assert weighted_score([same, same], 1).rankings.scores.tolist() == [[1.0]]


def test_weighted_score_by_hand() -> None:
    # min-max: a 1, b 0.5, c 0; second list: c 1, a 0. Weights 1/4 and 3/4
    a, b = ranked([(0, 30.0), (1, 20.0), (2, 10.0)]), ranked([(2, 2.0), (0, 1.0)])
    assert answers(weighted_score([a, b], 3, weights=[1, 3])) == [[(2, 0.75, 1), (0, 0.25, 0), (1, 0.125, 0)]]


def test_z_score_by_hand() -> None:
    # scores 3, 2, 1: standard deviation sqrt(2/3), so 2/sd, 1/sd and 0 above the worst
    fused = weighted_score([ranked([(0, 3.0), (1, 2.0), (2, 1.0)])], 3, scale="z-score")
    np.testing.assert_allclose(fused.rankings.scores[0], [2 / np.sqrt(2 / 3), 1 / np.sqrt(2 / 3), 0.0], rtol=1e-6)


def test_an_item_that_a_source_does_not_hold_counts_as_its_worst() -> None:
    a, b = ranked([(0, 5.0), (1, 1.0)]), ranked([(2, 5.0), (1, 1.0)])
    for scale in ("min-max", "z-score"):
        fused = weighted_score([a, b], 3, scale=scale)
        assert fused.rankings.items.tolist() == [[0, 2, 1]]
        assert fused.rankings.scores[0, 2] == 0.0


def test_equal_scores_count_as_the_best() -> None:
    fused = weighted_score([ranked([(4, 2.0), (5, 2.0)])], 2)
    assert fused.rankings.scores.tolist() == [[1.0, 1.0]]


def test_ties_go_to_the_lower_item() -> None:
    fused = reciprocal_rank([ranked([(9, 1.0)]), ranked([(2, 1.0)])], 2)
    assert fused.rankings.items.tolist() == [[2, 9]]


@pytest.mark.parametrize("method", ["rrf", "min-max", "z-score"])
def test_against_a_loop_over_items(method: str) -> None:
    rng = np.random.default_rng(4)
    rankings = [random_rankings(rng, 60, 25, k) for k in (8, 3, 12)]
    weights = [1.0, 2.5, 0.5]
    if method == "rrf":
        fused = reciprocal_rank(rankings, 10, weights=weights, constant=60)
    else:
        fused = weighted_score(rankings, 10, weights=weights, scale=method)
    for row, found in enumerate(answers(fused)):
        total: dict[int, float] = {}
        gifts: dict[int, list[float]] = {}
        for source, (r, w) in enumerate(zip(rankings, weights, strict=True)):
            held = [(int(i), float(s)) for i, s in zip(r.items[row], r.scores[row], strict=True) if i >= 0]
            scores = [s for _, s in held]
            for place, (item, score) in enumerate(held):
                if method == "rrf":
                    gift = w / (60 + place + 1) * 61
                else:
                    spread = max(scores) - min(scores) if method == "min-max" else float(np.std(scores))
                    gift = w * ((score - min(scores)) / spread if spread else 1.0)
                total[item] = total.get(item, 0.0) + gift / sum(weights)
                gifts.setdefault(item, [0.0] * 3)[source] = gift
        expected = sorted(total.items(), key=lambda pair: (-np.float32(pair[1]), pair[0]))[:10]
        np.testing.assert_allclose([s for _, s, _ in found], [s for _, s in expected], rtol=1e-5, atol=1e-7)
        for item, score, source in found:
            assert score == pytest.approx(total[item], rel=1e-5, abs=1e-7)
            assert gifts[item][source] == pytest.approx(max(gifts[item]))


def test_the_size_of_a_batch_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    rankings = [random_rankings(rng, 30, 50, 20) for _ in range(3)]
    for fuse in (reciprocal_rank, weighted_score):
        whole = fuse(rankings, 15)
        parts = [fuse([Rankings(r.items[i : i + 1], r.scores[i : i + 1]) for r in rankings], 15) for i in range(30)]
        np.testing.assert_array_equal(whole.rankings.items, np.concatenate([p.rankings.items for p in parts]))
        np.testing.assert_array_equal(whole.rankings.scores, np.concatenate([p.rankings.scores for p in parts]))


def test_comb_mnz_by_hand() -> None:
    # Fox & Shaw 1994: the sum of scores times the number of runs that retrieved the item. Min-max first: a 1, b 0.5,
    # c 0 in one run; c 1, a 0 in the other. Sums a 1, b 0.5, c 1, times 2, 1, 2: a and c 2, b 0.5; divided by 2 * 2
    a, b = ranked([(0, 30.0), (1, 20.0), (2, 10.0)]), ranked([(2, 2.0), (0, 1.0)])
    fused = comb_mnz([a, b], 3)
    assert fused.rankings.items.tolist() == [[0, 2, 1]]
    assert fused.rankings.scores.tolist() == [[0.5, 0.5, 0.125]]


def test_rank_norm_by_hand() -> None:
    # Lee 1997: 1 - (rank - 1) / retrieved. Four of one run: 1, .75, .5, .25; two of the other: 1, .5
    a, b = ranked([(0, 9.0), (1, 8.9), (2, 1.0), (3, 0.0)]), ranked([(3, 5.0), (1, 4.0)])
    assert answers(weighted_score([a, b], 4, scale="rank")) == [
        [(1, 0.625, 0), (3, 0.625, 1), (0, 0.5, 0), (2, 0.25, 0)]
    ]


def test_calibrated_scores_by_hand() -> None:
    # the first source's 5 means a chance of .4, half way between 0 -> .2 and 10 -> .6; above 10 it stays .6
    meaning = [Calibration(scores=[0.0, 10.0], chances=[0.2, 0.6]), Calibration(scores=[1.0], chances=[0.1])]
    a, b = ranked([(0, 99.0), (1, 5.0)]), ranked([(1, 7.0)])
    fused = weighted_score([a, b], 2, scale="calibrated", calibrations=meaning)
    np.testing.assert_allclose(fused.rankings.scores, [[0.3, 0.25]], rtol=1e-6)


@pytest.mark.parametrize(
    ("scores", "chances"), [([], []), ([1.0, 0.0], [0.1, 0.2]), ([0.0, 1.0], [0.2, 0.1]), ([0.0], [1.5])]
)
def test_wrong_calibrations(scores: list[float], chances: list[float]) -> None:
    with pytest.raises(SettingError, match="as many chances as scores, at least one, both rising"):
        Calibration(scores=scores, chances=chances)


@pytest.mark.parametrize("scale", ["min-max", "z-score", "rank"])
def test_scores_that_are_no_numbers_are_refused(scale: str) -> None:
    broken = ranked([(0, float("nan")), (1, 1.0)])
    with pytest.raises(SettingError, match="a ranking holds an item whose score is not a finite number"):
        comb_mnz([broken], 2, scale=scale)


def test_calibrated_without_a_calibration() -> None:
    with pytest.raises(SettingError, match="scores are to be calibrated, and there is no calibration"):
        weighted_score([ranked([(0, 1.0)])], 1, scale="calibrated")


def test_a_cascade_keeps_what_the_ranker_does_not_know_behind() -> None:
    one = Rankings(np.array([[5, 3, 8, 1, -1]], np.int32), np.array([[0.9, 0.8, 0.7, 0.6, -np.inf]], np.float32))
    found = Fused(one, np.array([[0, 1, 0, 1, -1]], np.int16))
    made = cascade(found, np.array([[-np.inf, 0.1, -np.inf, 0.4, 7.0]]))
    assert made.rankings.items.tolist() == [[1, 3, 5, 8, -1]]
    assert made.sources.tolist() == [[1, 1, 0, 0, -1]]
    assert (np.diff(made.rankings.scores[0, :4]) < 0).all()


def test_quotas_share_places_by_highest_averages() -> None:
    # Sainte-Lague over votes of 100, 80, 30 and 20 thousand gives 3, 3, 1 and 1 of eight seats
    rankings = [ranked([(100 * source + place, 1.0) for place in range(12)]) for source in range(4)]
    fused = quotas(rankings, 8, places=[10, 8, 3, 2])
    assert np.bincount(fused.sources[0]).tolist() == [3, 3, 1, 1]
    every = quotas(rankings, 23, places=[10, 8, 3, 2])
    assert np.bincount(every.sources[0]).tolist() == [10, 8, 3, 2]


def test_quotas_take_each_item_once_and_pass_an_empty_source_by() -> None:
    a, b = ranked([(0, 3.0), (1, 2.0), (2, 1.0)], [(4, 1.0)]), ranked([(0, 3.0), (9, 1.0)], [])
    fused = quotas([a, b], 4, places=[1, 1])
    assert fused.rankings.items.tolist() == [[0, 9, 1, 2], [4, -1, -1, -1]]
    assert fused.sources.tolist() == [[0, 1, 0, 0], [0, -1, -1, -1]]


@pytest.mark.parametrize("places", [[1], [0, 0], [1, -1]])
def test_wrong_quotas(places: list[int]) -> None:
    one = ranked([(0, 1.0)])
    with pytest.raises(SettingError, match="one whole number of at least 0 for each"):
        quotas([one, one], 1, places=places)


def test_empty_rankings_give_empty_slates() -> None:
    nothing = ranked([], [], k=3)
    fused = reciprocal_rank([nothing, nothing], 2)
    assert fused.rankings.items.tolist() == [[-1, -1], [-1, -1]]
    assert fused.sources.tolist() == [[-1, -1], [-1, -1]]
    assert len(weighted_score([ranked(k=3)], 2).rankings) == 0


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (
            [0.0, 0.0],
            "the weights are [0.0, 0.0]; weights are numbers of at least 0, of which at least one is above 0;",
        ),
        ([1.0, -1.0], "the weights are [1.0, -1.0];"),
        ([1.0, float("nan")], "the weights are [1.0, nan];"),
        ([1.0], "1 weights were given for 2 rankings; one each."),
    ],
)
def test_wrong_weights(weights: list[float], sentence: str) -> None:
    one = ranked([(0, 1.0)])
    with pytest.raises(SettingError) as caught:
        reciprocal_rank([one, one], 1, weights=weights)
    assert str(caught.value).startswith(sentence)
    with pytest.raises(SettingError):
        weighted_score([one, one], 1, weights=weights)


def test_nothing_to_fuse() -> None:
    with pytest.raises(SettingError, match="there is no ranking to fuse"):
        reciprocal_rank([], 3)
