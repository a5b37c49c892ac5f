"""One of several processes that serve a port: the first line of stdin names the store and the options, as JSON."""

from recloop.service.threads import pin_native_threads

pin_native_threads()  # before NumPy is imported

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, cast, get_args, get_type_hints  # noqa: E402

from recloop.app.comments import comment_reader  # noqa: E402
from recloop.errors import RecloopError  # noqa: E402
from recloop.service.logs import json_logs  # noqa: E402
from recloop.service.server import Options, opened, settle  # noqa: E402, settle

STDIN = 0


def work(store_url: str, told: dict[str, Any]) -> None:
    """Serve until told to end, or until who started this is gone; says so on stdout once requests are answered."""
    paths = {name for name, kind in get_type_hints(Options).items() if Path in get_args(kind)}
    given = {name: Path(value) if name in paths and value else value for name, value in told.items()}
    log = sys.stderr if told.get("log") else None
    given |= {"log": log, "sentiment": comment_reader()}

    def ready(url: str) -> None:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()

    options = cast("Options", given | {"ready": ready})
    with json_logs(log), opened(store_url, **options) as server:

        def watch() -> None:
            while os.read(STDIN, 1):  # without a buffer: its lock, held here, would break the end of the process
                pass
            server.stop()

        threading.Thread(target=watch, name="recloop-watch", daemon=True).start()
        settle()
        server.serve_forever()


if __name__ == "__main__":
    try:
        with open(STDIN, "rb", buffering=0, closefd=False) as told:
            store, options = json.loads(told.readline())
        work(store, json.loads(options))
    except RecloopError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
