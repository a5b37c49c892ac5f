import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recloop.app.item_facts import release_facts
from recloop.compose import PolicyConfig, SlateConfig, policy_config
from recloop.data.dataset import Dataset
from recloop.data.histories import Histories
from recloop.errors import ArtifactError, ConflictError, SettingError
from recloop.loop.release import load, successor, verify, versions
from recloop.metrics.outcomes import user_table
from recloop.strategies.ease import Ease
from recloop.strategies.popular import Popular


def seal(folder: Path) -> None:
    """Make the checksums agree with the files, as somebody with bad intent would."""
    sums = {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "checksums.json"
    }
    (folder / "checksums.json").write_text(json.dumps(sums))


def test_what_is_written_is_loaded(release: Path, log: Dataset, policies: dict[str, PolicyConfig]) -> None:
    loaded = load(release)
    data = log
    assert (loaded.name, loaded.version, loaded.created, loaded.parent) == ("1-first", 1, 5.0, "")
    assert loaded.default_policy == "composed"
    assert {name: policy.config for name, policy in loaded.policies.items()} == policies
    assert loaded.items.ids == data.item_ids.ids
    assert loaded.kinds == data.kinds
    assert loaded.titles[loaded.items.index("0")] == "first"
    assert loaded.titles[loaded.items.index("1")] == "1"
    assert loaded.available[loaded.items.indices(["0", "1", "2"])].tolist() == [True, False, True]
    assert loaded.vectors is not None
    assert loaded.vectors.shape == (12, 4)
    assert loaded.metrics[0]["value"] == 0.3
    assert loaded.data_fingerprint == data.fingerprint
    histories = Histories.of([[0, 3], [], [5]], n_items=12)
    np.testing.assert_array_equal(loaded.strategies["ease"].score(histories), Ease(reg=5.0).fit(data).score(histories))
    again = load(release).policy().choose({}, histories, 5, np.random.default_rng(0))
    first = loaded.policy("composed").choose({}, histories, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(again.rankings.items, first.rankings.items)


def test_every_file_is_named_in_the_checksums(release: Path) -> None:
    sums = json.loads((release / "checksums.json").read_text())
    files = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    assert sums.keys() == files - {"checksums.json"}
    assert "strategies/ease/weights.npz" in sums


def test_any_damaged_byte_is_found(release: Path) -> None:
    for path in sorted(release.rglob("*")):
        if not path.is_file() or path.name == "checksums.json":
            continue
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        kept = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(ArtifactError) as caught:
            load(release)
        assert str(caught.value) == (
            f"the file {path.relative_to(release).as_posix()} of the release {release} is damaged: its SHA-256 is not the "
            "one written; run the plan again, or roll back to another release."
        )
        path.write_bytes(kept)
    verify(release)


def test_a_missing_and_an_unexpected_file(release: Path) -> None:
    weights = release / "strategies" / "ease" / "weights.npz"
    kept = weights.read_bytes()
    weights.unlink()
    with pytest.raises(ArtifactError, match=r"the file strategies/ease/weights\.npz of the release .* is missing"):
        load(release)
    weights.write_bytes(kept)
    (release / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(ArtifactError, match=r"the file model\.pkl in .* is not part of the release"):
        load(release)


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "\x00"])
def test_checksums_that_cannot_be_read(release: Path, content: str) -> None:
    (release / "checksums.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"holds no readable release: checksums\.json"):
        load(release)


def test_pickled_arrays_are_refused_even_with_the_right_checksum(release: Path) -> None:
    for path in ("vectors.npz", "strategies/ease/weights.npz"):
        target = release / path
        kept = target.read_bytes()
        with np.load(target) as stored:
            arrays = {name: np.array([stored[name].tolist(), {"a": 1}], dtype=object) for name in stored.files}
        np.savez(target, **arrays)
        seal(release)
        with pytest.raises(ArtifactError, match=r"holds objects, which are kept as a pickle"):
            load(release)
        target.write_bytes(kept)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 99}, "has the format 99; format 1 is wanted"),
        ({"default_policy": "gone"}, "the default policy 'gone' is not among its policies"),
        ({"policies": {"composed": {"sources": ["gone"]}}}, "names 'gone' as a source"),
        ({"policies": {"composed": {"sauces": []}}}, "[policies.composed] has no setting 'sauces'"),
        (
            {"strategies": {"../../elsewhere": {}}},
            "the header and the folder disagree about the strategy '../../elsewhere'",
        ),
        ({"kinds": 3}, "cannot be loaded"),
        ({"vectors": 3, "name": None}, "name"),
    ],
)
def test_headers_that_make_no_sense(release: Path, change: dict[str, Any], words: str) -> None:
    header = json.loads((release / "release.json").read_text()) | change
    header = {key: value for key, value in header.items() if value is not None}
    (release / "release.json").write_text(json.dumps(header))
    seal(release)
    with pytest.raises(ArtifactError) as caught:
        load(release)
    assert words in str(caught.value)


def test_no_release_at_all(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no readable release"):
        load(tmp_path / "nothing")


def test_what_cannot_be_built(tmp_path: Path, write_release: Callable[..., Path]) -> None:
    with pytest.raises(SettingError, match=r"the default policy is 'compsed'\. Did you mean 'composed'"):
        write_release(tmp_path / "a", default_policy="compsed")
    with pytest.raises(SettingError, match="names 'ials' as a source"):
        write_release(tmp_path / "a", policies={"composed": policy_config({"sources": ["ials"]})})
    (tmp_path / "b").mkdir()
    with pytest.raises(ConflictError, match="exists already"):
        write_release(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_without_vectors(tmp_path: Path, write_release: Callable[..., Path]) -> None:
    folder = write_release(tmp_path / "plain", vectors=None, policies={"composed": SlateConfig(sources=["ease"])})
    assert load(folder).vectors is None


def test_a_successor_changes_who_is_in_charge(release: Path, tmp_path: Path) -> None:
    folder = successor(release, tmp_path / "second", name="2-second", version=2, default_policy="popular")
    loaded, before = load(folder), load(release)
    assert (loaded.name, loaded.version, loaded.parent, loaded.default_policy) == ("2-second", 2, "1-first", "popular")
    assert loaded.policies.keys() == before.policies.keys()
    assert loaded.checksum != before.checksum
    assert successor(release, tmp_path / "third", name="3", version=3).name == "third"
    with pytest.raises(SettingError, match=r"has no policy 'poplar'\. Did you mean 'popular'"):
        successor(release, tmp_path / "fourth", name="4", version=4, default_policy="poplar")
    (release / "items.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"items\.parquet"):
        successor(release, tmp_path / "fourth", name="4", version=4)
    assert not (tmp_path / "fourth").exists()


def test_versions_passes_over_what_is_no_release(release: Path, tmp_path: Path) -> None:
    (tmp_path / "junk").mkdir()
    assert versions([release, tmp_path / "junk", tmp_path / "gone"]) == [(1, "1-first")]


def test_a_policy_that_is_not_there(release: Path) -> None:
    with pytest.raises(SettingError) as caught:
        load(release).policy("compose")
    assert str(caught.value) == (
        "release '1-first' has no policy 'compose'. Did you mean 'composed'? Valid: composed, learning, popular."
    )


@pytest.mark.parametrize(
    "given",
    [
        pl.Series([1_761_955_200.0] * 12),
        pl.Series(["2025-11-01T08:00:00Z"] * 6 + ["2025-11-01"] * 6),
        pl.Series([date(2025, 11, 1)] * 12),
        pl.Series([datetime(2025, 11, 1, tzinfo=UTC)] * 12),
    ],
)
def test_the_day_on_which_items_arrived_is_kept_so_that_freshness_is_measured(
    log: Dataset, write_release: Callable[..., Path], tmp_path: Path, given: pl.Series
) -> None:
    items = log.items.with_columns(given.alias("arrived"), provider=pl.lit("anna"))
    dated = Dataset.of(pl.DataFrame({"user": ["u"] * 12, "item": [str(n) for n in range(12)]}), items)
    shop = {
        "dataset": dated,
        "strategies": {"popular": Popular().fit(dated)},
        "default_policy": "popular",
        "vectors": None,
    }
    alone = {"popular": SlateConfig(sources=["popular"])}
    release = load(write_release(tmp_path / "dated", **shop, policies=alone))
    assert release.catalogue["arrived"].to_list() == [1_761_955_200.0] * 12
    assert release.catalogue["provider"].unique().to_list() == ["anna"]
    facts = release_facts(release, pl.DataFrame({"user": ["a"], "item": ["x"], "time": [0.0]}), 0.0)
    day = 86_400.0
    slates = pl.DataFrame(
        {"id": ["d"], "user": ["u"], "variant": "all", "time": 1_761_955_200.0 + 3 * day, "latency": 0.1, "fallback": "",
         "items": [["0", "1"]]}
    )  # fmt: skip
    nothing = slates.head(0).select("user", item="id", kind="id", value="time", time="time", decision="id")
    table = user_table(slates, nothing, facts=facts)
    assert table["age_sum"].sum() / table["aged"].sum() == pytest.approx(3.0)
