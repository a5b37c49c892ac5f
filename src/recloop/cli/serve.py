import sys
from pathlib import Path

import click

from recloop.cli.console import answer, err, json_option, store_option


@click.command(epilog="Example: recloop serve --release runs/3f2a/release --port 8000")
@store_option
@click.option("--release", type=click.Path(path_type=Path), help="Promote the release in this folder first.")
@click.option("--runs", type=click.Path(path_type=Path), default="runs", show_default=True,
              help="Where the newest run is looked for when the store knows no release.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True, help="Other hosts than loopback need API keys.")
@click.option("--port", default=8000, show_default=True, help="0 is any free one.")
@click.option("--keys/--no-keys", "keys", default=None, help="Ask for API keys; by default only beyond loopback.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True),
              help="Requests a second of a key that has no rate of its own; no limit by default.")  # fmt: skip
@click.option("--mask/--no-mask", "mask", default=True, show_default=True,
              help="Take e-mail, phone, card, bank and IP numbers out of free text before it is kept.")  # fmt: skip
@click.option("--pseudonymise", type=click.Path(path_type=Path, dir_okay=False),
              help="Replace the ids of users by a keyed hash; the file holds the key.")  # fmt: skip
@click.option("--origin", "origins", multiple=True,
              help="Pages of this origin may call, such as https://shop.example; may be given again.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True,
              help="Processes that answer on one port; one that dies is replaced.")  # fmt: skip
@click.option("--seed", type=int, help="Of the policies' randomness.")
@click.option("--redis", help="What services on the same store share: redis://host:6379/0.")
@click.option("--survey", type=click.Path(path_type=Path, dir_okay=False),
              help="Ask some users the question in this file's table [survey].")  # fmt: skip
@click.option("--quarantine", is_flag=True,
              help="Bandits learn nothing from events that look like an attack.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Write no line per request.")
@json_option
def serve(
    store: str,
    release: Path | None,
    runs: Path,
    host: str,
    port: int,
    keys: bool | None,
    rate: float | None,
    mask: bool,
    pseudonymise: Path | None,
    origins: tuple[str, ...],
    workers: int,
    seed: int | None,
    redis: str | None,
    survey: Path | None,
    quarantine: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Answer POST /v1/recommend, /v1/events, /v1/feedback and the rest over HTTP.

    Serves the active release of the store; where there is none, the newest run's. Ctrl-C ends it after the requests
    under way. The routes are described at /docs.
    """
    from recloop.service.threads import pin_native_threads

    pin_native_threads()  # before NumPy is imported: a fold-in on many threads is slower than on one
    from recloop.app.serve import first_release
    from recloop.service.workers import serve_all

    def ready(url: str) -> None:
        if as_json:
            answer({"url": url, "docs": f"{url}/docs"})
            sys.stdout.flush()
            return
        err.print(f"[green]serving[/] {url}  (routes: {url}/docs; Ctrl-C ends it)")

    serve_all(
        store,
        workers,
        release=release or first_release(store, runs),
        host=host,
        port=port,
        keys=keys,
        rate=rate,
        mask=mask,
        pseudonymise=pseudonymise,
        origins=origins,
        seed=seed,
        log=None if quiet else sys.stderr,
        ready=ready,
        redis=redis,
        survey=survey,
        quarantine=quarantine,
    )
