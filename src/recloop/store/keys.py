import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from recloop.errors import MissingError, SettingError, nearest
from recloop.store import tables
from recloop.store.audit import Audit
from recloop.store.database import Database

# what each scope opens; admin opens everything
SCOPES = {
    "recommend": "ask for slates",
    "events": "send events and feedback",
    "experiments": "create, start, stop and read experiments",
    "releases": "list, promote and roll back releases",
    "metrics": "read the service's own figures",
    "admin": "everything",
}
PREFIX = "rlk"


class KeyRecord(NamedTuple):
    """An API key without its secret."""

    id: str
    name: str
    scopes: frozenset[str]
    created: float
    revoked: float | None

    def allows(self, scope: str) -> bool:
        """Whether the key opens ``scope``."""
        return self.revoked is None and (scope in self.scopes or "admin" in self.scopes)


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

    def create(self, name: str, scopes: Iterable[str], *, actor: str = "") -> str:
        """A new key: the token that its owner sends as ``Authorization: Bearer …``. It is not kept anywhere.

        Raises:
            SettingError: a scope is unknown, or none is given.
        """
        wanted = frozenset(scopes)
        for scope in sorted(wanted - set(SCOPES)):
            raise SettingError(f"there is no scope '{scope}'", advice=nearest(scope, SCOPES))
        if not wanted:
            raise SettingError("the key has no scope", allowed=nearest("", SCOPES))
        key, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_bytes(32)
        values = {
            "id": key,
            "name": name,
            "salt": salt.hex(),
            "hash": _hash(secret, salt),
            "scopes": " ".join(sorted(wanted)),
            "created": self._database.clock(),
        }

        def work(connection: Connection) -> None:
            connection.execute(insert(tables.keys).values(values))
            self._audit.record(connection, actor, "create key", key, f"{name}: {values['scopes']}")

        self._database.write(work)
        return f"{PREFIX}_{key}_{secret}"

    def find(self, token: str) -> KeyRecord | None:
        """The key whose token this is; None where there is none or it was revoked. Compares in constant time."""
        prefix, _, rest = token.partition("_")
        key, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret:
            return None
        with self._database.reading() as connection:
            row = connection.execute(select(tables.keys).where(tables.keys.c.id == key)).first()
        if row is None or not hmac.compare_digest(row.hash, _hash(secret, bytes.fromhex(row.salt))):
            return None
        return _record(row) if row.revoked is None else None

    def revoke(self, key: str, *, actor: str = "") -> None:
        """The key with this id opens nothing from now on.

        Raises:
            MissingError: there is no such key.
        """

        def work(connection: Connection) -> None:
            known = list(connection.execute(select(tables.keys.c.id)).scalars())
            if key not in known:
                raise MissingError(f"there is no key '{key}'", advice=nearest(key, known))
            change = update(tables.keys).where(tables.keys.c.id == key).values(revoked=self._database.clock())
            connection.execute(change)
            self._audit.record(connection, actor, "revoke key", key)

        self._database.write(work)

    def all(self) -> list[KeyRecord]:
        """Every key, oldest first, without secrets."""
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(select(tables.keys).order_by(tables.keys.c.created))]


def _hash(secret: str, salt: bytes) -> str:
    return hashlib.blake2b(secret.encode(), key=salt, digest_size=32).hexdigest()


def _record(row: Any) -> KeyRecord:
    return KeyRecord(row.id, row.name, frozenset(row.scopes.split()), row.created, row.revoked)
