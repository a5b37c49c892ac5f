import numpy as np
import polars as pl
import pytest

from recloop.data.dataset import Dataset
from recloop.errors import DataError
from recloop.language import load_encoder, spread, vectors

EVENTS = pl.DataFrame({"user": ["a", "b"], "item": ["i0", "i1"]})


def shop(titles: list[str | None]) -> Dataset:
    items = pl.DataFrame(
        {"item": [f"i{i}" for i in range(len(titles))], "title": titles}, schema={"item": str, "title": str}
    )
    return Dataset.of(EVENTS, items)


def test_items_have_directions_and_those_without_text_have_none(model_folder, tmp_path):
    tiny = load_encoder(str(model_folder()), precision="f32")
    titles = ["red shoe", None, "blue lamp", "  ", "old book of the song", "red shoe"]
    found = vectors(shop(titles), tiny, cache=tmp_path)
    there = np.array([bool(title and title.strip()) for title in titles])
    raw = tiny.encode([title for title in titles if title and title.strip()])
    moved = raw - raw.mean(axis=0)
    wanted = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(found[there], wanted, atol=1e-5)
    assert not found[~there].any()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], found[5])


def test_a_catalogue_without_text_is_said(model_folder):
    tiny = load_encoder(str(model_folder()))
    for dataset in (Dataset.of(EVENTS), shop([None, None]), shop(["", "  "])):
        with pytest.raises(DataError) as caught:
            vectors(dataset, tiny)
        assert str(caught.value) == (
            "none of the 2 items has a text; the catalogue needs one of the columns title, category, brand, "
            "description, text; give a table of items with a title, or leave out the strategy 'content'."
        )


@pytest.mark.parametrize("titles", [["red shoe"], ["red shoe", "red shoe", "red shoe"]])
def test_a_catalogue_of_one_text_has_no_directions(model_folder, tmp_path, titles):
    tiny = load_encoder(str(model_folder()))
    events = EVENTS.head(1)
    items = pl.DataFrame({"item": [f"i{i}" for i in range(len(titles))], "title": titles})
    for whitening in (0.0, 1.0):
        assert not vectors(Dataset.of(events, items), tiny, whitening=whitening, cache=tmp_path).any()


def test_whitening_damps_the_strong_axes():
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    cloud = (rng.normal(size=(4000, 6)) * np.array([9, 5, 3, 2, 1, 0.5]) @ turn + 20).astype(np.float32)
    spans = []
    for strength in (0.0, 0.5, 1.0):
        found = spread(cloud, strength)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        deviation = np.sqrt(np.linalg.eigvalsh(np.cov(found.T)))
        spans.append(deviation.max() / deviation.min())
    assert spans[0] > 8 and spans[0] > 1.5 * spans[1]
    assert spans[2] == pytest.approx(1, abs=0.1)


def test_fewer_texts_than_dimensions_stay_finite():
    cloud = np.random.default_rng(1).normal(size=(5, 40)).astype(np.float32)
    for strength in (0.0, 0.5, 1.0):
        found = spread(cloud, strength)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
