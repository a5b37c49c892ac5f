"""The service as a process of its own, for tests that kill it: prints its URL once it answers."""

from recloop.service.threads import pin_native_threads

pin_native_threads()

import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from recloop.errors import RecloopError  # noqa: E402
from recloop.service.server import serve  # noqa: E402
from recloop.service.workers import serve_all  # noqa: E402

if __name__ == "__main__":
    store, release, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    begin = serve_all if "workers" in options else serve
    try:
        begin(
            store,
            release=Path(release) if release else None,
            ready=lambda url: print(url, flush=True),
            **({"port": 0} | options),
        )
    except RecloopError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
