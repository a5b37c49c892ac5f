"""The pages in a browser: what is live, which policy wins, where it hurts, and what people decided about it."""

from recloop.dashboard.application import Dashboard

__all__ = ["Dashboard"]
