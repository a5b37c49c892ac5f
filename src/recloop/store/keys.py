import hashlib
import hmac
import math
import secrets
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from recloop.errors import ConflictError, MissingError, SettingError, nearest
from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database

# what each scope opens; admin opens everything
SCOPES = {
    "recommend": "ask for slates",
    "events": "send events and feedback",
    "experiments": "create, start, stop and read experiments",
    "releases": "list, promote and roll back releases",
    "overrides": "list, add and end overrides",
    "reviews": "list findings and look after them",
    "metrics": "read the service's own figures",
    "persons": "export and erase what is kept of one person, and see attacks",
    "admin": "everything",
}
PREFIX = "rlk"


class KeyRecord(NamedTuple):
    """An API key without its secret. ``rate`` is requests a second, None where the service's own limit holds."""

    id: str
    name: str
    scopes: frozenset[str]
    created: float
    revoked: float | None
    expires: float | None = None
    used: float | None = None
    rate: float | None = None

    def allows(self, scope: str) -> bool:
        """Whether the key opens ``scope``; whether it is still valid is told by ``state``."""
        return self.revoked is None and (scope in self.scopes or "admin" in self.scopes)

    def state(self, now: float) -> str:
        """``open``, ``expired`` or ``revoked``."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "open"


class Keys:
    """API keys. A secret has 256 random bits, is shown once, and is kept only as a keyed hash.

    The hash is BLAKE2b keyed with a salt of each key's own: with a secret that cannot be guessed a slow hash would
    protect nothing more, and would cost every request milliseconds.

    >>> import tempfile
    >>> from pathlib import Path
    >>> database = Database(Path(tempfile.mkdtemp()) / "shop.db")
    >>> keys = Keys(database, Audit(database))
    >>> token = keys.create("web shop", ["recommend", "events"])
    >>> keys.find(token).allows("events"), keys.find(token).allows("releases"), keys.find(token + "0")
    (True, False, None)
    >>> database.close()
    """

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def create(
        self,
        name: str,
        scopes: Iterable[str],
        *,
        lasts: float | None = None,
        rate: float | None = None,
        actor: str = "",
    ) -> str:
        """A new key: the token that its owner sends as ``Authorization: Bearer …``. It is not kept anywhere.

        Args:
            name: whose it is.
            scopes: what it opens.
            lasts: seconds until it expires; None for never.
            rate: requests a second that it may send; None where the service's own limit holds.
            actor: who made it.

        Raises:
            SettingError: a scope is unknown or none is given, or a number is not above zero.
        """
        wanted = frozenset(scopes)
        for scope in sorted(wanted - set(SCOPES)):
            raise SettingError(f"there is no scope '{scope}'", advice=nearest(scope, SCOPES))
        if not wanted:
            raise SettingError("the key has no scope", allowed=nearest("", SCOPES))
        for what, number in (("the key lasts", lasts), ("the rate of the key is", rate)):
            if number is not None and not 0 < number < math.inf:
                raise SettingError(f"{what} {number}", allowed="it must be a number above 0")
        return self._database.write(lambda connection: self._add(connection, name, wanted, lasts, rate, actor))

    def rotate(self, key: str, *, keep: float = 0.0, actor: str = "") -> str:
        """A new token with the name, scopes, rate and lifetime of an old key, which expires after ``keep`` seconds.

        Both are one step: there is no moment without a key, and none at which the old one is forgotten.

        Raises:
            MissingError: there is no such key.
            ConflictError: the key is revoked or expired.
            SettingError: ``keep`` is negative.
        """
        if not 0 <= keep < math.inf:
            raise SettingError(f"the old key is to be kept for {keep} seconds", allowed="it must be 0 or more")

        def work(connection: Connection) -> str:
            old, now = self._get(connection, key), self._database.clock()
            if (state := old.state(now)) != "open":
                raise ConflictError(f"the key '{key}' is {state}", advice="make a new one: recloop keys create")
            lasts = None if old.expires is None else old.expires - old.created
            token = self._add(connection, old.name, old.scopes, lasts, old.rate, actor)
            ends = min(now + keep, math.inf if old.expires is None else old.expires)
            connection.execute(update(tables.keys).where(tables.keys.c.id == key).values(expires=ends))
            self._audit.record(connection, actor, "rotate key", key, f"{old.name}: now {token.split('_')[1]}")
            return token

        return self._database.write(work)

    def used(self, key: str) -> "Future[None]":
        """Note that a key was used now; nobody needs to wait for it."""
        change = update(tables.keys).where(tables.keys.c.id == key).values(used=self._database.clock())

        def work(connection: Connection) -> None:
            connection.execute(change)

        return self._database.submit(work)

    def find(self, token: str) -> KeyRecord | None:
        """The key whose token this is; None where there is none, it was revoked, or it expired.

        Compares in constant time.
        """
        prefix, _, rest = token.partition("_")
        key, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret:
            return None
        with self._database.reading() as connection:
            row = connection.execute(select(tables.keys).where(tables.keys.c.id == key)).first()
        if row is None or not hmac.compare_digest(row.hash, _hash(secret, bytes.fromhex(row.salt))):
            return None
        record = _record(row)
        return record if record.state(self._database.clock()) == "open" else None

    def revoke(self, key: str, *, actor: str = "") -> None:
        """The key with this id opens nothing from now on.

        Raises:
            MissingError: there is no such key.
        """

        def work(connection: Connection) -> None:
            self._get(connection, key)
            change = update(tables.keys).where(tables.keys.c.id == key).values(revoked=self._database.clock())
            connection.execute(change)
            self._audit.record(connection, actor, "revoke key", key)

        self._database.write(work)

    def all(self) -> list[KeyRecord]:
        """Every key, oldest first, without secrets."""
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(select(tables.keys).order_by(tables.keys.c.created))]

    def _add(
        self,
        connection: Connection,
        name: str,
        scopes: frozenset[str],
        lasts: float | None,
        rate: float | None,
        actor: str,
    ) -> str:
        key, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_bytes(32)
        now = self._database.clock()
        values = {
            "id": key,
            "name": name,
            "salt": salt.hex(),
            "hash": _hash(secret, salt),
            "scopes": " ".join(sorted(scopes)),
            "created": now,
            "expires": None if lasts is None else now + lasts,
            "rate": rate,
        }
        connection.execute(insert(tables.keys).values(values))
        self._audit.record(connection, actor, "create key", key, f"{name}: {values['scopes']}")
        return f"{PREFIX}_{key}_{secret}"

    def _get(self, connection: Connection, key: str) -> KeyRecord:
        row = connection.execute(select(tables.keys).where(tables.keys.c.id == key)).first()
        if row is None:
            known = connection.execute(select(tables.keys.c.id)).scalars()
            raise MissingError(f"there is no key '{key}'", advice=nearest(key, known))
        return _record(row)


def _hash(secret: str, salt: bytes) -> str:
    return hashlib.blake2b(secret.encode(), key=salt, digest_size=32).hexdigest()


def _record(row: Any) -> KeyRecord:
    return KeyRecord(
        row.id, row.name, frozenset(row.scopes.split()), row.created, row.revoked, row.expires, row.used, row.rate
    )
