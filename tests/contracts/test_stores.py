"""Every store passes the contract, in one class each."""

from pathlib import Path

from recloop.store import Store
from recloop.testing.store import NOW, StoreContract


class TestSQLite(StoreContract):
    def open(self, folder: Path) -> Store:
        return Store(f"sqlite:///{folder / 'store.db'}", clock=lambda: NOW)
