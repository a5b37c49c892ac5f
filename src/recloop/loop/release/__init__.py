"""A release: trained strategies, policies and the catalogue in one folder that a service can load and trust."""

from recloop.loop.release.layout import CHECKSUMS, RELEASE
from recloop.loop.release.loading import load
from recloop.loop.release.release import Release
from recloop.loop.release.sealed import alike, header_of, verify, versions
from recloop.loop.release.writing import build_release, rebuilt, successor

__all__ = [
    "CHECKSUMS",
    "RELEASE",
    "Release",
    "alike",
    "build_release",
    "header_of",
    "load",
    "rebuilt",
    "successor",
    "verify",
    "versions",
]
