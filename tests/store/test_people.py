"""What the store keeps of people: overrides, findings that they look after, and who may log in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recloop.errors import ConflictError, MissingError, SettingError
from recloop.store import Store, tables
from recloop.store.accounts import LASTS, hash_password, password_fits
from recloop.store.attempts import WITHIN

DAY = 86_400.0
WORDS = "correct horse battery"


class Kept:
    """A store whose time can be moved."""

    def __init__(self, url: str) -> None:
        self.now = 100 * DAY
        self.url = url
        self.store = Store(url, clock=lambda: self.now)

    def actions(self) -> list[str]:
        return [line.action for line in reversed(self.store.audit.lines())]


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """On each database."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        database: Callable[[str], str] = request.getfixturevalue("postgres_schema")
        url = database(f"people_{tmp_path.name}")
    one = Kept(url)
    yield one
    one.store.close()


def finding(name: str, day: str | None = None, **more: object) -> dict[str, object]:
    return {"id": name, "title": "click rate", "change_day": day, **more}


# ---- overrides


def test_an_override_is_kept_ended_once_and_never_deleted(kept: Kept) -> None:
    rows = kept.store.overrides
    made = rows.add("pin", ["i1", "i2"], reason="film of the week", owner="eva", place=2, expires=kept.now + DAY)
    assert rows.get(made.id) == made
    assert (made.state(kept.now), made.state(kept.now + DAY), made.until(kept.now + 9 * DAY)) == (
        "in force", "expired", kept.now + DAY,
    )  # fmt: skip
    mark = rows.mark()
    kept.now += 60
    ended = rows.end(made.id, actor="tom")
    assert (ended.ended, ended.ended_by, ended.state(kept.now)) == (kept.now, "tom", "ended")
    assert rows.mark() != mark
    assert rows.all() == [ended]
    with pytest.raises(ConflictError, match=f"the override '{made.id}' is ended; add a new one"):
        rows.end(made.id, actor="tom")
    with pytest.raises(MissingError, match="there is no override 'x'"):
        rows.end("x", actor="tom")
    assert kept.actions() == ["add override: pin", "end override"]


# ---- findings


def test_a_finding_goes_through_people_s_hands(kept: Kept) -> None:
    queue = kept.store.reviews
    assert queue.take([finding("a"), finding("b")]) == (("a", "b"), (), ())
    assert queue.assign("a", "tom", actor="eva", note="look at the app").assignee == "tom"
    muted = queue.mute("a", kept.now + 2 * DAY, actor="tom")
    assert muted.shown(kept.now) == "muted"
    assert muted.shown(kept.now + 2 * DAY) == "open"
    assert queue.reopen("a", actor="tom").shown(kept.now) == "open"
    done = queue.resolve("b", actor="eva", note="rolled back")
    assert (done.state, done.note) == ("resolved", "rolled back")
    with pytest.raises(ConflictError, match="the finding 'b' is resolved already"):
        queue.resolve("b", actor="eva")
    with pytest.raises(SettingError, match="the moment until which it is muted is over"):
        queue.mute("a", kept.now, actor="eva")
    with pytest.raises(MissingError, match="there is no finding 'z'"):
        queue.resolve("z", actor="eva")
    assert kept.actions() == [
        "open finding", "open finding", "assign finding to tom", "mute finding", "reopen finding", "resolve finding",
    ]  # fmt: skip


def test_a_mute_that_is_over_may_be_followed_by_another(kept: Kept) -> None:
    queue = kept.store.reviews
    queue.take([finding("a")])
    queue.mute("a", kept.now + DAY, actor="eva")
    kept.now += 2 * DAY
    assert queue.mute("a", kept.now + DAY, actor="eva").shown(kept.now) == "muted"


def test_what_is_resolved_returns_only_when_it_was_gone_or_happened_again(kept: Kept) -> None:
    queue = kept.store.reviews
    queue.take([finding("a", "1970-04-05")])  # the day 94: the clock stands on day 100, 11 April
    queue.resolve("a", actor="eva")
    kept.now += DAY
    assert queue.take([finding("a", "1970-04-05")]).returned == ()  # the same old days, read again
    assert queue.get("a").state == "resolved"
    assert queue.take([]).gone == ("a",)
    assert not queue.get("a").present
    assert queue.take([]).gone == ()
    assert queue.take([finding("a", "1970-04-05")]).returned == ("a",)
    back = queue.get("a")
    assert (back.state, back.returns, back.present, back.gone) == ("open", 1, True, False)
    queue.resolve("a", actor="eva")
    assert queue.take([finding("a", "1970-04-30")]).returned == ("a",)  # it never was gone, and broke on a later day
    assert kept.actions().count("reopen finding") == 2


def test_a_muted_finding_stays_muted_when_it_is_found_again(kept: Kept) -> None:
    queue = kept.store.reviews
    queue.take([finding("a", sentence="old")])
    queue.mute("a", kept.now + 9 * DAY, actor="eva")
    queue.take([finding("a", sentence="new")])
    one = queue.get("a")
    assert (one.state, one.finding["sentence"]) == ("muted", "new")


# ---- people who log in


def test_a_password_is_kept_as_argon2id_and_opens_a_session(kept: Kept) -> None:
    people = kept.store.accounts
    people.add("eva", WORDS, "operator", actor="root")
    with kept.store._database.reading() as connection:
        ((hashed,),) = connection.exec_driver_sql("SELECT hash FROM dashboard_users").all()
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert people.login("eva", WORDS + "!") is None
    assert people.login("tom", WORDS) is None
    token = people.login("eva", WORDS)
    assert token is not None
    found = people.session(token)
    assert found is not None
    assert (found.name, found.operates) == ("eva", True)
    with kept.store._database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM dashboard_sessions").all()
    assert token not in str(rows)
    assert people.session(token + "x") is None
    assert people.session(str(rows[0][0])) is None  # what the store has opens nothing
    people.logout(token)
    assert people.session(token) is None


def test_a_session_ends_by_time_by_a_new_password_and_by_disabling(kept: Kept) -> None:
    people = kept.store.accounts
    people.add("eva", WORDS)

    def entered(password: str = WORDS) -> str:
        token = people.login("eva", password)
        assert token is not None
        assert people.session(token) is not None
        return token

    token = entered()
    kept.now += LASTS
    assert people.session(token) is None
    token = entered()
    people.change("eva", password="another sentence", actor="root")
    assert people.session(token) is None
    assert people.login("eva", WORDS) is None
    token = entered("another sentence")
    assert people.change("eva", role="operator", actor="root").role == "operator"
    assert people.session(token) is None
    token = entered("another sentence")
    people.change("eva", enabled=False, actor="root")
    assert people.session(token) is None
    assert people.login("eva", "another sentence") is None
    people.change("eva", enabled=True, actor="root")
    entered("another sentence")


def test_who_is_not_known_costs_the_same_work(kept: Kept) -> None:
    compared: list[str] = []

    def verify(hashed: str, _password: str) -> bool:
        compared.append(hashed)
        return True  # even then nobody gets in

    assert kept.store.accounts.login("nobody", WORDS, verify=verify) is None
    assert compared[0].startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_what_is_not_allowed_is_told(kept: Kept) -> None:
    people = kept.store.accounts
    with pytest.raises(SettingError, match="the password has 5 characters; 10 to 500"):
        people.add("eva", "short")
    with pytest.raises(SettingError, match=r"there is no role 'boss'\. Valid: operator, viewer"):
        people.add("eva", WORDS, "boss")
    people.add("eva", WORDS)
    with pytest.raises(ConflictError, match="there is a user 'eva' already"):
        people.add("eva", WORDS)
    with pytest.raises(MissingError, match=r"there is no dashboard user 'ewa'\. Did you mean 'eva'"):
        people.change("ewa", role="viewer", actor="root")


def test_hashes_are_salted_and_a_broken_one_fits_nothing() -> None:
    one, other = hash_password(WORDS), hash_password(WORDS)
    assert one != other
    assert password_fits(one, WORDS)
    assert not password_fits("not a hash", WORDS)


def test_the_log_never_has_a_password_or_an_unknown_name(kept: Kept) -> None:
    kept.store.accounts.add("eva", WORDS, actor="root")
    kept.store.accounts.login("eva", "wrong words")
    kept.store.accounts.login("secret typed as a name", WORDS)
    told = str(kept.store.audit.lines())
    assert WORDS not in told
    assert "wrong words" not in told
    assert "secret typed" not in told
    assert kept.actions() == ["add dashboard user", "refuse dashboard login", "refuse dashboard login"]


# ---- tries of a password


def test_tries_are_counted_together_by_all_who_share_the_store(kept: Kept) -> None:
    ours = kept.store.accounts.attempts
    with Store(kept.url, clock=lambda: kept.now) as other:
        theirs = other.accounts.attempts
        who = {"name eva": 5, "address 10.0.0.7": 50}
        for number in range(5):
            assert (ours, theirs)[number % 2].begin(who).wait == 0
            kept.now += 10
        assert ours.begin(who).wait == theirs.begin(who).wait == 250  # the first one is 50 s old
        assert ours.begin({"name tom": 5, "address 10.0.0.7": 50}).wait == 0
        assert ours.begin({"name tom": 5, "address 10.0.0.7": 6}).wait > 0, "an address has a limit of its own"
        kept.now += 251
        last = theirs.begin(who)
        assert last.wait == 0
        theirs.fits(last, "name eva")
        assert [ours.begin({"name eva": 5}).wait for _ in range(6)] == [0, 0, 0, 0, 0, WITHIN], (
            "all before is forgotten"
        )


def test_tries_at_the_same_moment_do_not_get_past_the_limit(kept: Kept) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _n: kept.store.accounts.attempts.begin({"name eva": 5}).wait, range(12)))
    assert sorted(waits) == [0] * 5 + [WITHIN] * 7


def test_a_try_leaves_names_and_sessions_alone(kept: Kept) -> None:
    kept.store.accounts.add("eva", WORDS)
    token = kept.store.accounts.login("eva", WORDS)
    attempt = kept.store.accounts.attempts.begin({"name eva": 5})
    assert kept.store.accounts.session(attempt.id) is None, "a try opens nothing"
    kept.now += WITHIN
    kept.store.accounts.attempts.begin({"address 10.0.0.7": 50})
    with kept.store._database.reading() as connection:
        rows = connection.execute(tables.attempts.select()).all()
    assert len(rows) == 1, "what is old is deleted"
    assert "10.0.0.7" not in str(rows)
    assert kept.store.accounts.session(str(token)) is not None
