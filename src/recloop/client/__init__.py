"""The service as a Python program sees it: typed answers, tries again, errors that are recloop's own."""

from recloop.client.asynchronous import AsyncClient
from recloop.client.problems import ServiceError
from recloop.client.retry import Retry
from recloop.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "Retry", "ServiceError"]
