"""One person: exported whole, erased without a trace, and experiments as if it had never been there."""

import json
import stat
from pathlib import Path

import pytest

from recloop.app.person import erase_person, export_person
from recloop.app.readout import read_trial
from recloop.errors import SettingError, StoreError
from recloop.store import Store
from recloop.types import Decision, Event, Feedback, SlateItem

NOW = 1_700_000_000.0
ANN = "ann-whom-we-forget"


def fill(store: Store, users: list[str]) -> None:
    """An experiment in which each user has two decisions, a click, and a comment."""
    variants = {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}
    store.experiments.add("home", {"name": "home", "variants": variants, "minimum_users": 2, "planned_users": 40})
    store.experiments.start("home")
    items = (SlateItem("i1", 0.5), SlateItem("i2", 0.25))
    for number, user in enumerate(users):
        arm = ("a", "b")[number % 2]
        store.append_decisions(
            [
                Decision(f"d{user}{n}", user, NOW + n, items, "popular", "home", arm, release="r")
                for n in range(2)
            ]
        )  # fmt: skip
        store.append_events([Event(user, "i1", "click", NOW + 5, id=f"e{user}", decision=f"d{user}0")])
        store.append_feedback([Feedback(user, "rating", NOW + 6, float(number % 5), id=f"f{user}")])


@pytest.fixture
def users() -> list[str]:
    return [f"u{number}" for number in range(20)] + [ANN]


def test_all_of_it_is_exported(tmp_path: Path, users: list[str]) -> None:
    with Store(tmp_path / "shop.db", clock=lambda: NOW) as store:
        fill(store, users)
        found = export_person(store, ANN)
        assert [row["id"] for row in found.events] == [f"e{ANN}"]
        assert [row["items"] for row in found.decisions] == [["i1", "i2"]] * 2
        assert found.feedback[0]["value"] == 0.0
        found.write(tmp_path / "ann.json")
        assert stat.S_IMODE((tmp_path / "ann.json").stat().st_mode) == 0o600
        told = json.loads((tmp_path / "ann.json").read_text())
        assert (told["user"], len(told["decisions"])) == (ANN, 2)
        nobody = export_person(store, "nobody")
        assert (nobody.events, nobody.decisions, nobody.feedback) == ((), (), ())
        for verb in (export_person, erase_person):
            with pytest.raises(SettingError, match="nobody cannot be exported or erased"):
                verb(store, "")


def test_nothing_is_left_in_the_files(tmp_path: Path, users: list[str]) -> None:
    def written() -> bytes:
        return b"".join(file.read_bytes() for file in sorted(tmp_path.glob("shop.db*")))

    with Store(tmp_path / "shop.db", clock=lambda: NOW) as store:
        fill(store, users)
        others = store.counts()
        assert ANN.encode() in written()
        done = erase_person(store, ANN, actor="me")
        assert done.before == {"events": 1, "decisions": 2, "feedback": 1}
        assert done.after == {"events": 0, "decisions": 0, "feedback": 0}
        assert ANN.encode() not in written()  # while the store is open
        assert store.counts() == {name: number - done.before[name] for name, number in others.items()}
        (line,) = store.audit.lines(1)
        assert line[1:] == ("me", "erase person", "person", "1 events, 2 decisions, 1 feedback")
        assert erase_person(store, ANN).before == {"events": 0, "decisions": 0, "feedback": 0}
    assert ANN.encode() not in written()


def test_experiments_are_as_if_the_person_had_never_come(tmp_path: Path, users: list[str]) -> None:
    with (
        Store(tmp_path / "with.db", clock=lambda: NOW) as store,
        Store(tmp_path / "without.db", clock=lambda: NOW) as never,
    ):
        fill(store, users)
        fill(never, users[:-1])
        before = read_trial(store, "home", NOW + 900)
        erase_person(store, ANN)
        after, clean = (read_trial(one, "home", NOW + 900) for one in (store, never))
        assert after.readout.to_dict() == clean.readout.to_dict()
        assert sum(after.readout.users.values()) == sum(before.readout.users.values()) - 1
        assert repr(after.verdict) == repr(clean.verdict)


def test_the_archive_is_erased_too_and_counted(tmp_path: Path, users: list[str]) -> None:
    with Store(tmp_path / "shop.db", clock=lambda: NOW + 30 * 86_400) as store:
        fill(store, [ANN, *users])
        store.append_events([Event("last", "i1", "view", NOW)])
        store.archive.run(hot_days=1)
        done = erase_person(store, ANN)
        assert (done.archived, done.before) == (
            {"events": 1, "decisions": 2, "feedback": 1},
            {"events": 0, "decisions": 0, "feedback": 0},
        )
        assert store.counts()["events"] == len(users)
    assert ANN.encode() not in b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_what_comes_in_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "shop.db") as store:
        erase = store.erasure.erase

        def late(user: str, **how: str) -> dict[str, int]:
            found = erase(user, **how)
            store.append_events([Event(user, "i1", "view")])
            return found

        monkeypatch.setattr(store.erasure, "erase", late)
        with pytest.raises(StoreError, match=r"the person is still there: 1 events, 0 decisions.*erase again"):
            erase_person(store, ANN)
