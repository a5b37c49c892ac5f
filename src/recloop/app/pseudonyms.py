"""User ids replaced at the door, so that the store and the models never meet them."""

import hmac
import os
import secrets
from pathlib import Path

from recloop.errors import ConflictError, MissingError, SettingError
from recloop.store import Store

SHORTEST = 32  # bytes of a key
PREFIX = "p_"
ACTION, SUBJECT = "pseudonymise", "users"


class Pseudonyms:
    """From a user's id to a pseudonym: HMAC-SHA256 (RFC 2104), cut to 128 bits.

    The same user has the same pseudonym under one key. Without the key nobody can tell whose it is, nor try ids.

    Args:
        key: 32 bytes or more.

    >>> names = Pseudonyms(b"k" * 32)
    >>> names.of("ann") == names.of("ann"), names.of("ann") == names.of("bob"), len(names.of("ann")), names.of("")
    (True, False, 34, '')
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < SHORTEST:
            raise SettingError(f"the key of the pseudonyms has {len(key)} bytes", allowed=f"{SHORTEST} are needed")
        self._key = key

    @property
    def fingerprint(self) -> str:
        """What tells this key from another one, and nothing else of it."""
        return hmac.digest(self._key, b"fingerprint of the key", "sha256").hex()[:16]

    def of(self, user: str) -> str:
        """The pseudonym; nobody stays nobody."""
        return PREFIX + hmac.digest(self._key, b"user\0" + user.encode(), "sha256").hex()[:32] if user else ""

    @classmethod
    def read(cls, path: Path) -> "Pseudonyms":
        """With the key of a file.

        Raises:
            MissingError: there is no such file.
            SettingError: others than its owner may read it, or it is no key.
        """
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise MissingError(
                f"there is no key file {path}", advice=f"make one: recloop keys pseudonym {path}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"the key file {path} cannot be read ({type(error).__name__})") from error
        if os.name == "posix" and mode & 0o077:
            raise SettingError(
                f"others may read the key file {path} (mode {mode & 0o777:04o})",
                allowed="it must be its owner's alone",
                advice=f"chmod 600 {path}",
            )
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            raise SettingError(
                f"the key file {path} holds no key", allowed=f"{SHORTEST} bytes or more in hexadecimal digits"
            ) from None

    @staticmethod
    def make(path: Path) -> "Pseudonyms":
        """With a new random key, in a new file that its owner alone may read.

        Raises:
            ConflictError: the file is there already.
        """
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise ConflictError(
                f"{path} exists already", advice="name another file; a key that is lost is lost"
            ) from None
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_bytes(SHORTEST).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return Pseudonyms.read(path)


def adopt(store: Store, names: Pseudonyms, *, actor: str = "") -> None:
    """From now on the store's users have pseudonyms of this key; the audit log says so."""
    store.audit.add(actor, ACTION, SUBJECT, names.fingerprint)


def agree(store: Store, names: Pseudonyms | None, *, actor: str = "") -> None:
    """Refuse to mix real ids and pseudonyms, or pseudonyms of two keys, in one store.

    A store that holds no user yet, and no key either, adopts the first.

    Raises:
        ConflictError: the store was kept with another key, or with real ids.
        SettingError: the store holds pseudonyms, and no key is given.
    """
    adopted = store.audit.about(ACTION, SUBJECT)
    if names is None:
        if adopted:
            raise SettingError(
                f"the users of the store {store.name} have pseudonyms",
                allowed="real ids may not be mixed with them",
                advice="start with --pseudonymise FILE",
            )
        return
    if adopted and adopted[-1].detail != names.fingerprint:
        raise ConflictError(
            f"the users of the store {store.name} have pseudonyms of another key",
            advice="give that key, or make this one the store's with recloop keys pseudonym FILE --adopt: "
            "every user then starts anew",
        )
    if not adopted:
        if any(store.counts().values()):
            raise ConflictError(
                f"the store {store.name} holds real user ids",
                allowed="pseudonyms may not be mixed with them",
                advice="start with a new store",
            )
        adopt(store, names, actor=actor)
