"""Every numba kernel answers what its NumPy twin answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recloop.data import compiled
from recloop.data.histories import Histories
from recloop.strategies.base import Strategy
from recloop.strategies.ease import Ease
from recloop.strategies.factors import descend, solve, to_eigenbasis
from recloop.strategies.ials import IALS
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.strategies.sequence.strategy import SequenceTransformer
from recloop.strategies.sequence.windows import GAPS
from recloop.strategies.transitions import Transitions
from recloop.testing.strategy import small_shop

pytest.importorskip("numba")


@pytest.fixture
def work(monkeypatch):
    """Calls a function by NumPy, then by the kernels, and gives both answers."""

    def both(task):
        monkeypatch.setattr(compiled, "WORTH", float("inf"))
        plain = task()
        monkeypatch.setattr(compiled, "WORTH", 0)
        return plain, task()

    return both


@pytest.mark.parametrize(
    "make",
    [ItemKNN, Transitions, Popular, lambda: Popular(segment="age"), lambda: ItemKNN(neighbours=2), Ease],
    ids=["item-knn", "transitions", "popular", "popular per segment", "few neighbours", "ease"],
)
@pytest.mark.parametrize("k", [1, 5, 60])
@pytest.mark.parametrize("hide_seen", [True, False])
def test_slates_are_identical(work, make, k: int, hide_seen: bool) -> None:
    data = small_shop(users=120, items=50)
    allowed = np.arange(data.n_items) % 4 != 2
    empty = Histories.of([[], [3], [3, 3, 3], list(range(data.n_items))], data.n_items)
    for histories in (data.histories(profiles=True), empty):
        for mask in (None, allowed):
            plain, fast = work(lambda h=histories, m=mask: make().fit(data).rank(h, k, hide_seen=hide_seen, allowed=m))
            np.testing.assert_array_equal(fast.items, plain.items)
            np.testing.assert_allclose(fast.scores, plain.scores, rtol=1e-6)


def test_slates_of_a_wide_catalogue_are_identical(work) -> None:
    """Where a history touches few of many items, the kernel lists what it touched."""
    rng = np.random.default_rng(0)
    n = 3000
    histories = Histories.of([rng.choice(n, size=rng.integers(0, 4)) for _ in range(400)], n)
    histories.weights[:] = rng.choice([-1.0, 0.5, 1.0, 2.0], size=len(histories.items)).astype(np.float32)

    class Given(ItemKNN):
        name = "given"

        def fit(self, table: sparse.csr_array) -> Strategy:  # a table with signs: sums go back to zero, and below
            from recloop.data.vocabulary import Vocabulary

            self.items = Vocabulary([str(item) for item in range(n)])
            self._keep(table, np.linspace(0, 1, n, dtype=np.float32)[rng.permutation(n)])
            return self

    table = sparse.random_array((n, n), density=0.003, rng=1, dtype=np.float32, format="csr")
    table.data = np.sign(table.data - 0.4)
    strategy = Given().fit(sparse.csr_array(table))
    for hide_seen in (True, False):
        plain, fast = work(lambda hide=hide_seen: strategy.rank(histories, 20, hide_seen=hide))
        np.testing.assert_array_equal(fast.items, plain.items)
        np.testing.assert_array_equal(fast.scores, plain.scores)


def test_neighbours_are_identical(work) -> None:
    data = small_shop(users=300, items=80)
    plain, fast = work(lambda: ItemKNN(neighbours=7, shrinkage=3.0).fit(data)._table)
    np.testing.assert_array_equal(fast.indices, plain.indices)
    np.testing.assert_array_equal(fast.data, plain.data)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), d=st.sampled_from([1, 3, 16]), unobserved=st.sampled_from([0.01, 0.1, 1.0]))
def test_least_squares_agree(seed: int, d: int, unobserved: float) -> None:
    rng = np.random.default_rng(seed)
    rows = sparse.random_array((30, 40), density=rng.random() * 0.5, rng=rng, dtype=np.float32, format="csr")
    rows.data = 4 * rows.data - 0.2  # some below 0
    Y, spectrum, _ = to_eigenbasis(rng.standard_normal((40, d)).astype(np.float32))
    ridges = rng.uniform(0.5, 2, 30).astype(np.float32)
    start = rng.standard_normal((30, d)).astype(np.float32)
    answers = []
    with pytest.MonkeyPatch.context() as patch:
        for worth in (float("inf"), 0):
            patch.setattr(compiled, "WORTH", worth)
            answers.append(
                (
                    descend(sparse.csr_array(rows), Y, unobserved * spectrum, ridges, start, 2),
                    solve(sparse.csr_array(rows), Y, np.float32(unobserved) * spectrum, ridges),
                )
            )
    for plain, fast in zip(*answers, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-3, atol=5e-4)


def test_ials_agrees_after_training(work) -> None:
    data = small_shop(users=200, items=60)
    histories = data.histories()
    plain, fast = work(lambda: IALS(factors=16).fit(data).score(histories))
    np.testing.assert_allclose(fast, plain, rtol=2e-3, atol=2e-3)


def test_small_work_does_not_load_numba() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from recloop.strategies.ials import IALS; from recloop.testing.strategy import small_shop;"
        "d = small_shop(); IALS(iterations=2, factors=4).fit(d).rank(d.histories(), 3);"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("known", [True, False], ids=["times", "no times"])
def test_what_the_sequence_network_reads_is_the_same(work, known: bool) -> None:
    rng = np.random.default_rng(5)
    strategy = SequenceTransformer(width=8, window=5)
    strategy._vectors, strategy._places, strategy._gaps = (
        rng.standard_normal((rows, 8)).astype(np.float32) for rows in (40, 5, GAPS if known else 0)
    )
    histories = Histories.of([rng.integers(40, size=size) for size in (1, 3, 5, 9)], n_items=40)
    histories.times[:] = np.cumsum(2.0 ** rng.integers(0, 40, size=len(histories.items)))
    histories.times[3] = np.nan
    recent = histories.recent(5)
    plain, fast = work(lambda: strategy._embedded(recent, np.arange(4), recent.lengths))
    for row, length in enumerate(recent.lengths):  # behind the last event nobody reads
        np.testing.assert_array_equal(plain[row, :length], fast[row, :length])
