"""Every store passes the contract, in one class each."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from recloop.store import Store
from recloop.testing.store import NOW, StoreContract


class TestSQLite(StoreContract):
    def open(self, folder: Path) -> Store:
        return Store(f"sqlite:///{folder / 'store.db'}", clock=lambda: NOW)


class TestPostgreSQL(StoreContract):
    @pytest.fixture(autouse=True)
    def server(self, postgres_schema: Callable[[str], str]) -> None:
        self.database = postgres_schema

    def open(self, folder: Path) -> Store:
        return Store(self.database(f"s{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}"), clock=lambda: NOW)
