from starlette.datastructures import Headers

from recloop.service.problems import HttpError
from recloop.wire import API, API_HEADER


def check(headers: Headers) -> None:
    """Refuse a client that says that it speaks another version of the interface.

    Raises:
        HttpError: 406.
    """
    spoken = headers.get(API_HEADER, API)
    if spoken != API:
        raise HttpError(
            406,
            f"the client speaks version '{spoken[:20]}' of the interface",
            allowed=f"this service speaks version {API}",
            advice="update whichever is older: pip install --upgrade recloop",
        )
