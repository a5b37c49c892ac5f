"""The laws that every strategy obeys. A stranger's strategy passes them in one line."""

import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.data.slates import SlateLog
from recloop.errors import ConflictError, SettingError
from recloop.strategies.base import Strategy
from recloop.types import Event, Request

GENRES = ("crime", "comedy", "space", "war")
CLOSE: dict[str, Any] = {"rtol": 2e-4, "atol": 2e-6}  # float32 sums in another order


def small_shop(seed: int = 0, users: int = 60, items: int = 40, length: int = 12) -> Dataset:
    """A dataset with structure to learn: users of four tastes, times, texts, ages and one item that nobody touched.

    >>> small_shop().n_items
    41
    """
    rng = np.random.default_rng(seed)
    taste = rng.integers(len(GENRES), size=users)
    genre = np.arange(items) % len(GENRES)
    affinity = (0.2 + 2.0 * (taste[:, None] == genre)) / np.arange(1, items + 1) ** 0.5
    noise = rng.gumbel(size=(users, items))
    chosen = np.argsort(-(np.log(affinity) + noise), axis=1)[:, :length]
    events = pl.DataFrame(
        {
            "user": [f"u{user}" for user in range(users) for _ in range(length)],
            "item": [f"i{item}" for row in chosen for item in row],
            "time": [86_400.0 * (user % 30 + place) for user in range(users) for place in range(length)],
        }
    )
    catalogue = pl.DataFrame(
        {
            "item": [f"i{item}" for item in range(items)] + ["untouched"],
            "title": [f"{GENRES[item % len(GENRES)]} story {item}" for item in range(items)] + ["a quiet new story"],
            "category": [GENRES[item % len(GENRES)] for item in range(items)] + [GENRES[0]],
        }
    )
    people = pl.DataFrame(
        {"user": [f"u{user}" for user in range(users)], "age": [("young", "old")[user % 2] for user in range(users)]}
    )
    return Dataset.of(events, items=catalogue, users=people)


def with_slates(data: Dataset, seed: int = 0, places: int = 3) -> Dataset:
    """The data with times, an hour apart where there were none, and a log of slates: each event was a click on one.

    >>> with_slates(small_shop()).slates.items.shape
    (720, 3)
    """
    rng = np.random.default_rng(seed)
    if not data.has_times:
        hours = pl.int_range(pl.len()).cast(pl.Float64) * 3600.0
        data = data.with_events(data.events.with_columns(time=hours))
    events = data.positive
    n = events.height
    items = rng.integers(data.n_items, size=(n, places), dtype=np.int32)
    own = events["item"].to_numpy()
    where = rng.integers(places, size=n)
    items[(items == own[:, None]) & (np.arange(places) != where[:, None])] = -1
    items[np.arange(n), where] = own
    clicks = np.arange(places) == where[:, None]
    times = events["time"].to_numpy() - 1.0
    return data.with_slates(
        SlateLog(events["user"].to_numpy().astype(np.int32), times, items, clicks, clicks.astype(np.float32))
    )


class StrategyContract:
    """Subclass, say which strategy, and pytest runs the laws.

    Attributes:
        make: the class, or any callable that takes its settings and gives one that is not fitted.
        settings: settings of the strategy for the tests, where the defaults are too heavy for a small shop.
        personal: whether another history changes the answer.
        dataset: a callable that gives the dataset to learn from, where a strategy needs more than ``small_shop`` has.
        feed: what adds to any small dataset what the strategy cannot do without, such as ``with_slates``.

    Example:
        ``class TestEase(StrategyContract): make = Ease``
    """

    make: ClassVar[Callable[..., Strategy]]
    settings: ClassVar[dict[str, Any]] = {}
    personal: ClassVar[bool] = True
    dataset: ClassVar[Callable[[], Dataset]] = staticmethod(small_shop)
    feed: ClassVar[Callable[[Dataset], Dataset]] = staticmethod(lambda data: data)

    @classmethod
    def _new(cls, **settings: Any) -> Strategy:
        return cls.make(**{**cls.settings, **settings})

    @classmethod
    def _data(cls) -> Dataset:
        return cls.feed(cls.dataset())

    @classmethod
    @cache
    def _fitted(cls) -> tuple[Strategy, Dataset]:
        """Fitted once: no law changes what was fitted."""
        data = cls._data()
        return cls._new().fit(data), data

    # ---- construction

    def test_the_constructor_only_stores_settings(self) -> None:
        """Settings come back as they went in, nothing is learned, and each has a sentence of help."""
        strategy = self._new()
        assert strategy.config() == {**{e.name: e.default for e in strategy.settings()}, **self.settings}
        assert set(vars(strategy)) == {entry.name for entry in fields(strategy)}  # type: ignore[arg-type]
        assert all(entry.metadata["doc"] for entry in strategy.settings())
        assert strategy.name
        assert strategy.summary

    def test_a_bad_setting_is_refused_with_a_sentence(self) -> None:
        """Out of range, not a number, or of another type: the error names setting, value and rule."""
        for entry in self._new().settings():
            bad: list[Any] = [object()]
            if entry.metadata["low"] is not None:
                bad += [entry.metadata["low"] - 1, float("nan"), float("inf"), "many"]
            if entry.metadata["high"] is not None:
                bad += [entry.metadata["high"] + 1]
            if entry.metadata["choices"]:
                bad += ["no such choice"]
            for value in bad:
                with pytest.raises(SettingError) as caught:
                    self._new(**{entry.name: value})
                assert f"{entry.name} is {value!r}" in str(caught.value)
                assert caught.value.allowed

    def test_what_is_searched_is_allowed(self) -> None:
        """What ``recloop tune`` may try are settings like others: each value of a list, the numbers of a range."""
        for entry in self._new().settings():
            search = entry.metadata["search"]
            values = search if isinstance(search, list) else []
            if isinstance(search, tuple):
                low, high, *scale = search
                assert low < high, f"{entry.name}: a range goes from low to high"
                assert scale in ([], ["log"]), f"{entry.name}: a range is (low, high) or (low, high, 'log')"
                assert not scale or low > 0, f"{entry.name}: a logarithmic range starts above 0"
                values = [low, low + 1, high] if isinstance(low, int) else [low, high]
            for value in values:
                assert self._new(**{entry.name: value}).config()[entry.name] == value

    def test_before_fit_it_says_so(self) -> None:
        """Scoring, ranking and saving without fit are refused."""
        uses: list[Callable[[Strategy], object]] = [
            lambda s: s.score([Request()]),
            lambda s: s.recommend([Request()]),
            lambda s: s.rank(Histories.of([[0]], 2), 1),
            lambda s: s.save(Path(tempfile.gettempdir()) / "recloop-never-written"),
        ]
        for use in uses:
            with pytest.raises(ConflictError, match="is not fitted"):
                use(self._new())

    # ---- learning

    def test_fit_returns_itself_and_leaves_its_input_alone(self) -> None:
        """The dataset and the histories are what they were."""
        data = self._data()
        before = data.fingerprint
        strategy = self._new()
        assert strategy.fit(data) is strategy
        assert data.fingerprint == before
        histories = data.histories(profiles=True)
        kept = copy.deepcopy(histories)
        strategy.score(histories)
        strategy.rank(histories, 5)
        for name in ("indptr", "items", "weights", "times", "ratings", "now", "keys"):
            np.testing.assert_array_equal(getattr(histories, name), getattr(kept, name), err_msg=name)

    def test_fit_twice_is_equal(self) -> None:
        """The same data, the same strategy: once more, and by another object."""
        strategy, data = self._fitted()
        histories = data.histories(profiles=True)
        first, other = strategy.score(histories), self._new()
        for _ in range(2):
            np.testing.assert_array_equal(other.fit(data).score(histories), first)

    def test_small_and_strange_data(self) -> None:
        """One user, one item, one event, all at one time, no times, many times the same: an answer, never a crash."""
        whole = self._data()
        text = {name: whole.items[name][0] for name in whole.items.columns if name != "item"}
        tables: list[dict[str, list[Any]]] = [
            {"user": ["a"], "item": ["x"]},
            {"user": ["a", "b", "c"], "item": ["x", "x", "x"]},
            {"user": ["a", "a", "a"], "item": ["x", "y", "z"]},
            {"user": ["a", "a", "a", "b"], "item": ["x", "x", "x", "y"], "time": [1.0, 1.0, 1.0, 1.0]},
            {"user": ["a", "b"], "item": ["x", "y"], "time": [0.0, 1e9]},
        ]
        for table in tables:
            frame = pl.DataFrame(table)
            catalogue = frame.select("item").unique().with_columns(**{k: pl.lit(v) for k, v in text.items()})
            people = frame.select("user").unique().with_columns(age=pl.lit("old"))
            data = type(self).feed(Dataset.of(frame, items=catalogue, users=people))
            strategy = self._new().fit(data)
            scores = strategy.score(data.histories())
            assert scores.shape == (data.n_users, data.n_items)
            assert not np.isnan(scores).any()
            assert len(strategy.rank(data.histories(), 3, hide_seen=False)) == data.n_users

    # ---- answering

    def test_scores_are_finite_float32(self) -> None:
        """(n, n_items) float32 without NaN or +inf; no row at all gives no row."""
        strategy, data = self._fitted()
        scores = strategy.score(data.histories())
        assert scores.shape == (data.n_users, data.n_items)
        assert scores.dtype == np.float32
        assert not np.isnan(scores).any()
        assert not np.isposinf(scores).any()
        assert strategy.score(data.histories(np.array([], dtype=np.int64))).shape == (0, data.n_items)
        assert strategy.recommend([]) == []

    def test_strangers_are_answered(self) -> None:
        """An unknown user, an empty history, unknown items, an unknown profile: a full slate each."""
        strategy, data = self._fitted()
        requests = [
            Request(),
            Request(user="never seen", k=5),
            Request(user="u0", history=(Event("u0", "no such item", "view"),), k=5),
            Request(profile={"age": "unheard of", "planet": "Mars"}, k=5),
            Request(history=(Event("", "untouched", "view"),), k=5),
        ]
        slates = strategy.recommend(requests)
        for request, slate in zip(requests, slates, strict=True):
            assert len(slate.items) == min(request.k, data.n_items)
            assert len(set(slate.ids)) == len(slate.ids)
            assert np.isfinite([entry.score for entry in slate.items]).all()

    def test_unknown_items_change_nothing(self) -> None:
        """A history with unknown items scores as without them."""
        strategy, data = self._fitted()
        known = _events(data.item_ids.ids[:3])
        strange = (known[0], Event("x", "no such item", "view"), *known[1:])
        scores = strategy.score([Request(user="x", history=known), Request(user="x", history=strange)])
        np.testing.assert_allclose(scores[0], scores[1], **CLOSE)

    def test_rows_do_not_touch_each_other(self) -> None:
        """The same scores and slates whatever the batch: all at once, one by one, backwards."""
        strategy, data = self._fitted()
        histories = data.histories(profiles=True)
        whole, ranked = strategy.score(histories), strategy.rank(histories, 5)
        backwards = np.arange(len(histories))[::-1]
        np.testing.assert_allclose(strategy.score(histories.take(backwards))[::-1], whole, **CLOSE)
        single = np.concatenate([strategy.score(histories.block(row, row + 1)) for row in range(len(histories))])
        np.testing.assert_allclose(single, whole, **CLOSE)
        for row in range(0, len(histories), 7):
            alone = strategy.rank(histories.block(row, row + 1), 5)
            np.testing.assert_allclose(alone.scores[0], ranked.scores[row], **CLOSE)

    def test_history_changes_the_answer(self) -> None:
        """For a personal strategy; for the others it does not."""
        strategy, data = self._fitted()
        scores = strategy.score([Request(user="x", history=_events([item])) for item in data.item_ids.ids[:8]])
        assert (np.ptp(scores, axis=0).max() > 1e-6) == self.personal

    def test_seen_items_are_hidden(self) -> None:
        """In slates and rankings; ``hide_seen=False`` brings them back."""
        strategy, data = self._fitted()
        histories = data.histories()
        ranked = strategy.rank(histories, data.n_items)
        for row in range(len(histories)):
            own = histories.items[histories.indptr[row] : histories.indptr[row + 1]]
            assert not set(ranked.items[row]) & set(own)
        shown = strategy.rank(histories, data.n_items, hide_seen=False)
        assert (shown.items >= 0).all()
        history = _events(data.item_ids.ids[:4])
        assert not set(strategy.recommend([Request(history=history, k=data.n_items)])[0].ids) & {
            event.item for event in history
        }

    def test_rankings_are_sorted_scores(self) -> None:
        """``rank`` is ``score`` with seen and forbidden items out, best first, ties to the lower index."""
        strategy, data = self._fitted()
        histories = data.histories(profiles=True)
        allowed = np.arange(data.n_items) % 3 != 1
        scores = strategy.score(histories)
        scores[histories.rows, histories.items] = -np.inf
        scores[:, ~allowed] = -np.inf
        ranked = strategy.rank(histories, 7, allowed=allowed)
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
        best = np.take_along_axis(scores, expected, axis=1)
        np.testing.assert_allclose(ranked.scores, best, **CLOSE)
        for row in range(len(histories)):
            _same_up_to_rounding(ranked.items[row], expected[row], scores[row])

    def test_candidates_and_exclusions(self) -> None:
        """Only candidates, nothing excluded, unknown ids ignored; none left gives an empty slate."""
        strategy, data = self._fitted()
        ids = data.item_ids.ids
        only, without, none = strategy.recommend(
            [
                Request(candidates=(*ids[:6], "no such item"), exclude=(ids[0],), k=10),
                Request(exclude=(*ids[5:10], "no such item"), k=data.n_items),
                Request(candidates=("no such item",), k=3),
            ]
        )
        assert set(only.ids) == set(ids[1:6])
        assert set(without.ids) == set(ids) - set(ids[5:10])
        assert none.ids == ()

    def test_k(self) -> None:
        """More places than items gives all items once; each request its own k; less than 1 is refused."""
        strategy, data = self._fitted()
        many, one = strategy.recommend([Request(k=data.n_items + 50), Request(k=1)])
        assert sorted(many.ids) == sorted(data.item_ids.ids)
        assert len(one.ids) == 1
        ranked = strategy.rank(data.histories(), data.n_items + 5, hide_seen=False)
        assert ranked.items.shape == (data.n_users, data.n_items + 5)
        assert (ranked.items[:, data.n_items :] == -1).all()
        for use in (lambda: strategy.rank(data.histories(), 0), lambda: strategy.recommend([Request(k=0)])):
            with pytest.raises(SettingError, match=r"k is 0.*at least 1"):
                use()

    def test_another_catalogue_is_refused(self) -> None:
        """Histories that index other items are an error, not a wrong answer."""
        strategy, data = self._fitted()
        with pytest.raises(SettingError, match=f"the strategy knows {data.n_items}"):
            strategy.score(Histories.of([[0]], data.n_items + 1))

    # ---- keeping

    def test_saved_and_loaded_it_answers_the_same(self) -> None:
        """Equal scores, settings and ids, from files that hold no pickle."""
        strategy, data = self._fitted()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            strategy.save(folder)
            for path in folder.rglob("*"):
                assert path.suffix in {".json", ".npz", ".safetensors"}, path
                if path.suffix == ".npz":
                    with np.load(path, allow_pickle=False) as stored:
                        assert all(stored[name].dtype != object for name in stored.files)
            loaded = type(strategy).load(folder)
        assert loaded.config() == strategy.config()
        assert loaded.items == strategy.items
        histories = data.histories(profiles=True)
        np.testing.assert_array_equal(loaded.score(histories), strategy.score(histories))
        requests = [Request(user="u3", history=_events(data.item_ids.ids[2:5]), profile={"age": "old"})]
        assert loaded.recommend(requests) == strategy.recommend(requests)

    def test_smaller_ones_are_whole_strategies(self) -> None:
        """What ``compressed`` gives answers everybody, from files that load; the last of them answers nearly alike."""
        strategy, data = self._fitted()
        histories = data.histories(profiles=True)
        scores = strategy.score(histories)
        smaller = strategy
        for smaller in strategy.compressed(data):
            found = smaller.score(histories)
            assert found.shape == scores.shape
            assert not np.isnan(found).any()
            with tempfile.TemporaryDirectory() as temporary:
                smaller.save(Path(temporary) / "model")
                again = type(strategy).load(Path(temporary) / "model").score(histories)
            np.testing.assert_allclose(again, found, rtol=1e-3, atol=1e-3 * max(1e-3, float(np.abs(found).max())))
        np.testing.assert_array_equal(strategy.score(histories), scores)
        best, nearly = (
            np.argsort(-table, axis=1, kind="stable")[:, :5] for table in (scores, smaller.score(histories))
        )
        shared = np.mean([len(set(a) & set(b)) for a, b in zip(best.tolist(), nearly.tolist(), strict=True)])
        assert shared > 4

    def test_a_request_is_a_history(self) -> None:
        """Live requests and offline histories with the same events score the same."""
        strategy, data = self._fitted()
        if any(entry.name == "seed" for entry in strategy.settings()) and not self.personal:
            pytest.skip("its order is drawn from the request's id")
        histories = data.histories(np.arange(5))
        requests = []
        for row in range(5):
            own = slice(histories.indptr[row], histories.indptr[row + 1])
            events = tuple(
                Event("x", data.item_ids[item], "interaction", time=float(time))
                for item, time in zip(histories.items[own], histories.times[own], strict=True)
            )
            requests.append(Request(user="x", history=events, time=data.now))
        np.testing.assert_allclose(strategy.score(requests), strategy.score(histories), **CLOSE)

    def test_unknown_profiles_and_moments(self) -> None:
        """Histories without profile, time or weight details are answered like everyone else's."""
        strategy, data = self._fitted()
        bare = replace(data.histories(), profiles={}, now=np.full(data.n_users, np.nan))
        bare = replace(
            bare, times=np.full(len(bare.items), np.nan), ratings=np.full(len(bare.items), np.nan, np.float32)
        )
        assert np.isfinite(strategy.score(bare)).all()


def _events(items: Sequence[str]) -> tuple[Event, ...]:
    return tuple(Event("x", item, "interaction", time=1000.0 + place) for place, item in enumerate(items))


def _same_up_to_rounding(found: NDArray[np.int32], wanted: NDArray[np.intp], scores: NDArray[np.float32]) -> None:
    """The same items in the same places, but for items whose scores differ by rounding only."""
    for place in np.flatnonzero(found != wanted):
        if found[place] >= 0:
            np.testing.assert_allclose(scores[found[place]], scores[wanted[place]], **CLOSE)
