"""The commands: one thin mouth of ``recloop.app``."""

from recloop.cli.main import main

__all__ = ["main"]
