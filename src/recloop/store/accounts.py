import hashlib
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from recloop.errors import ConflictError, MissingError, SettingError, nearest
from recloop.store import tables
from recloop.store.attempts import Attempts
from recloop.store.audit import Audit
from recloop.store.database import Database

ROLES = {"viewer": "reads every page", "operator": "reads, and changes overrides, reviews and the active release"}
LASTS = 12 * 3600.0  # seconds that a session lasts
LEAST = 10  # characters of a password


class Account(NamedTuple):
    """Somebody who may log in to the dashboard, without the password's hash."""

    name: str
    role: str
    created: float
    disabled: float | None = None
    used: float | None = None

    @property
    def operates(self) -> bool:
        """Whether the person may change anything."""
        return self.role == "operator"


class Accounts:
    """Who may log in to the dashboard, and the sessions of those who did.

    Passwords are kept as argon2id hashes (RFC 9106, its second recommended setting: 3 passes over 64 MiB). A session is
    a random token of 256 bits that only the browser holds; the store has its SHA-256, which opens nothing.

    Attributes:
        attempts: tries of passwords, which whoever asks for one counts first.
    """

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit
        self.attempts = Attempts(database)

    def add(self, name: str, password: str, role: str = "viewer", *, actor: str = "") -> Account:
        """Let somebody log in.

        Raises:
            SettingError: the name, the role or the password is not allowed.
            ConflictError: the name is taken.
        """
        if role not in ROLES:
            raise SettingError(f"there is no role '{role}'", advice=nearest(role, ROLES))
        if not 1 <= len(name) <= 100 or not name.isprintable():
            raise SettingError("the name is empty, too long or not printable", allowed="1 to 100 characters")
        hashed = hash_password(password)

        def work(connection: Connection) -> Account:
            if self._row(connection, name) is not None:
                raise ConflictError(
                    f"there is a user '{name}' already", advice="choose another name, or set a password"
                )
            made = Account(name, role, self._database.clock())
            connection.execute(insert(tables.accounts).values(made._asdict() | {"hash": hashed}))
            self._audit.record(connection, actor, "add dashboard user", name, role)
            return made

        return self._database.write(work)

    def change(
        self,
        name: str,
        *,
        password: str | None = None,
        role: str | None = None,
        enabled: bool | None = None,
        actor: str,
    ) -> Account:
        """Give somebody another password or role, or take the right to log in away. Sessions end with each.

        Raises:
            MissingError: there is nobody of that name.
            SettingError: the role or the password is not allowed.
        """
        if role is not None and role not in ROLES:
            raise SettingError(f"there is no role '{role}'", advice=nearest(role, ROLES))
        values: dict[str, Any] = {}
        told = []
        if password is not None:
            values["hash"] = hash_password(password)
            told.append("password")
        if role is not None:
            values["role"] = role
            told.append(f"role {role}")
        if enabled is not None:
            values["disabled"] = None if enabled else self._database.clock()
            told.append("enabled" if enabled else "disabled")

        def work(connection: Connection) -> Account:
            self._known(connection, name)
            connection.execute(update(tables.accounts).where(tables.accounts.c.name == name).values(values))
            connection.execute(delete(tables.sessions).where(tables.sessions.c.user == name))
            self._audit.record(connection, actor, "change dashboard user", name, ", ".join(told))
            return self._known(connection, name)

        return self._database.write(work)

    def all(self) -> list[Account]:
        """Everybody, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(tables.accounts).order_by(tables.accounts.c.created))
            return [_account(row) for row in rows]

    def login(self, name: str, password: str, *, verify: Callable[[str, str], bool] | None = None) -> str | None:
        """The token of a new session; None where name and password do not fit, which takes as long.

        Args:
            name: who.
            password: as typed.
            verify: compares a hash and a password; argon2 where None.
        """
        with self._database.reading() as connection:
            row = self._row(connection, name)
        known = row is not None and row.disabled is None
        fits = (verify or password_fits)(row.hash if known and row is not None else _nobody(), password)
        if not (known and fits):
            self._audit.add("", "refuse dashboard login", name[:100] if row is not None else "(unknown)")
            return None
        token = secrets.token_urlsafe(32)

        def work(connection: Connection) -> None:
            now = self._database.clock()
            connection.execute(delete(tables.sessions).where(tables.sessions.c.expires <= now))
            values = {"id": _digest(token), "user": name, "created": now, "expires": now + LASTS}
            connection.execute(insert(tables.sessions).values(values))
            connection.execute(update(tables.accounts).where(tables.accounts.c.name == name).values(used=now))
            self._audit.record(connection, name, "dashboard login", name)

        self._database.write(work)
        return token

    def session(self, token: str) -> Account | None:
        """Whose session it is; None where it is over, or never was."""
        t, now = tables.sessions.c, self._database.clock()
        query = select(tables.accounts).join(tables.sessions, t.user == tables.accounts.c.name)
        query = query.where(t.id == _digest(token), t.expires > now, tables.accounts.c.disabled.is_(None))
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _account(row)

    def logout(self, token: str) -> None:
        """End a session."""

        def work(connection: Connection) -> None:
            t = tables.sessions
            ended = delete(t).where(t.c.id == _digest(token)).returning(t.c.user)
            user = connection.execute(ended).scalar_one_or_none()
            if user is not None:
                self._audit.record(connection, user, "dashboard logout", user)

        self._database.write(work)

    @staticmethod
    def _row(connection: Connection, name: str) -> Any:
        return connection.execute(select(tables.accounts).where(tables.accounts.c.name == name)).first()

    def _known(self, connection: Connection, name: str) -> Account:
        row = self._row(connection, name)
        if row is None:
            known = connection.execute(select(tables.accounts.c.name)).scalars()
            raise MissingError(f"there is no dashboard user '{name}'", advice=nearest(name, known))
        return _account(row)


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with its salt and settings.

    Raises:
        SettingError: the password is too short or too long.
    """
    from argon2 import PasswordHasher, profiles

    if not LEAST <= len(password) <= 500:
        raise SettingError(
            f"the password has {len(password)} characters", allowed=f"{LEAST} to 500", advice="a sentence is a good one"
        )
    return PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY).hash(password)


def password_fits(hashed: str, password: str) -> bool:
    """Whether a password is the one that was hashed."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(hashed, password[:500])
    except (VerificationError, InvalidHashError):
        return False


_unknown: list[str] = []


def _nobody() -> str:
    """A hash that no password fits: who is not known is told so after the same work."""
    if not _unknown:
        _unknown.append(hash_password(secrets.token_urlsafe(32)))
    return _unknown[0]


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _account(row: Any) -> Account:
    return Account(row.name, row.role, row.created, row.disabled, row.used)
