import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from recloop.errors import ArtifactError, MissingError, SettingError
from recloop.strategies import load, make, registry
from recloop.strategies.ease import Ease
from recloop.strategies.ials import IALS
from recloop.strategies.item_knn import ItemKNN
from recloop.strategies.popular import Popular
from recloop.testing.strategy import small_shop
from recloop.types import Request


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: ItemKNN(neighbours=0), "neighbours is 0; it must be a whole number between 1 and 10,000"),
        (lambda: ItemKNN(neighbours=2.5), "neighbours is 2.5; it must be a whole number"),
        (lambda: ItemKNN(neighbours=True), "neighbours is True; it must be a whole number"),
        (lambda: Ease(reg="much"), "reg is 'much'; it must be a number between 0.001"),
        (lambda: Ease(reg=float("nan")), "reg is nan"),
        (lambda: Ease(reg=None), "reg is None; it must be a number between"),
        (lambda: Popular(window=0), "window is 0; it must be a number or null between"),
        (lambda: Popular(segment=3), "segment is 3; it must be text"),
        (lambda: IALS(seed=-1), "seed is -1"),
    ],
)
def test_a_bad_setting_gets_its_sentence(build, sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        build()
    assert sentence in str(caught.value)
    assert "the default is" in str(caught.value)


def test_good_settings_of_neighbouring_types_pass() -> None:
    assert Ease(reg=500).reg == 500
    assert Popular(window=None).window is None
    assert Popular(window=7).window == 7


def test_make_offers_the_nearest_name() -> None:
    with pytest.raises(MissingError, match=r"there is no strategy 'eese'.*Did you mean 'ease'"):
        make("eese")
    with pytest.raises(SettingError, match=r"strategy 'ease' has no setting 'regg'.*Did you mean 'reg'"):
        make("ease", regg=3)


def test_another_packages_fault_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "popular": EntryPoint("popular", "recloop.strategies.popular:Popular", registry.GROUP),
        "broken": EntryPoint("broken", "no_such_package.strategy:Broken", registry.GROUP),
        "alien": EntryPoint("alien", "json:dumps", registry.GROUP),
    }
    monkeypatch.setattr(registry, "_points", lambda: points)
    with pytest.warns(UserWarning, match="strategy|subclass") as warned:
        assert list(registry.available()) == ["popular"]
    assert "strategy 'broken' cannot be imported from no_such_package.strategy:Broken" in str(warned[0].message)
    assert "a subclass of Strategy is wanted" in str(warned[1].message)
    assert make("popular").name == "popular"
    with pytest.raises(MissingError, match="mend or uninstall"):
        make("broken")


def test_load_finds_the_class_by_name(tmp_path) -> None:
    data = small_shop()
    Ease(reg=7.0).fit(data).save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, Ease)
    assert loaded.reg == 7.0


def test_a_damaged_artifact_says_so(tmp_path) -> None:
    folder = tmp_path / "model"
    Ease().fit(small_shop()).save(folder)

    def damaged(file: str, content: bytes) -> str:
        before = (folder / file).read_bytes()
        (folder / file).write_bytes(content)
        with pytest.raises(ArtifactError) as caught:
            Ease.load(folder)
        (folder / file).write_bytes(before)
        return str(caught.value)

    assert "holds no readable strategy" in damaged("weights.npz", b"")
    assert "holds no readable strategy" in damaged("weights.npz", (folder / "weights.npz").read_bytes()[:300])
    assert "holds no readable strategy" in damaged("items.json", b"{")
    assert "'ease' of format 1 is wanted" in damaged("strategy.json", b"[]")
    header = json.loads((folder / "strategy.json").read_text())
    assert "with other settings" in damaged("strategy.json", json.dumps(header | {"settings": {"x": 1}}).encode())
    assert "with other settings" in damaged("strategy.json", json.dumps(header | {"settings": {"reg": -1}}).encode())
    assert "of format 99" in damaged("strategy.json", json.dumps(header | {"format": 99}).encode())
    with pytest.raises(ArtifactError, match="holds strategy 'ease'"):
        ItemKNN.load(folder)
    with pytest.raises(ArtifactError, match="holds no readable strategy"):
        load(tmp_path / "nothing")
    (folder / "strategy.json").write_text(json.dumps(header | {"strategy": "gone"}))
    with pytest.raises(ArtifactError, match="'gone', which is not installed"):
        load(folder)


def test_an_artifact_with_pickle_is_refused(tmp_path) -> None:
    folder = tmp_path / "model"
    Ease().fit(small_shop()).save(folder)
    np.savez(folder / "weights.npz", _weights=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match="allow_pickle"):
        Ease.load(folder)


def test_a_failed_fit_leaves_it_unfitted() -> None:
    strategy = Ease(max_gb=1e-6)
    with pytest.raises(Exception, match="max_gb"):
        strategy.fit(small_shop())
    assert strategy.items is None


def test_rank_in_blocks_is_rank_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_shop(users=100)
    strategy = ItemKNN().fit(data)
    whole = strategy.rank(data.histories(), 6)
    monkeypatch.setattr("recloop.strategies.base.BLOCK_BYTES", 4 * data.n_items * 3)
    parts = strategy.rank(data.histories(), 6)
    np.testing.assert_array_equal(parts.items, whole.items)
    np.testing.assert_array_equal(parts.scores, whole.scores)


def test_an_id_list_of_many_thousands_is_kept(tmp_path) -> None:
    import polars as pl

    from recloop.data.dataset import Dataset

    ids = [f'Ünïcode item {number} \n"quoted"' for number in range(50_000)]
    data = Dataset.of(pl.DataFrame({"user": ["a", "a", "b"], "item": ids[:3]}), items=pl.DataFrame({"item": ids}))
    Popular().fit(data).save(tmp_path / "model")
    assert load(tmp_path / "model").items == data.item_ids


def test_a_strategy_alone_follows_no_sentence() -> None:
    popular = Popular().fit(small_shop(users=4))
    with pytest.raises(
        SettingError, match="steered by a sentence, and strategy 'popular' alone follows none; ask a pol"
    ):
        popular.recommend([Request(steer="no horror")])
