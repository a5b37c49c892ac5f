"""The nginx example in front of the real service, in a real nginx, over real TLS."""

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nginx" / "recloop.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is not installed"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def configured(folder: Path, service: str, http: int, https: int) -> Path:
    """The example with this machine's ports, names and files, inside the least nginx.conf."""
    text = EXAMPLE.read_text()
    for old, new in (
        ("server 127.0.0.1:8000;", f"server {service};"),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{https} ssl http2;"),
        ("server_name shop.example;", "server_name localhost;"),
        ("/etc/ssl/recloop/", f"{folder}/"),
        ("/var/log/nginx/recloop.log", f"{folder}/access.log"),
    ):
        assert old in text, f"the example has no line '{old}'"
        text = text.replace(old, new)
    (folder / "recloop.conf").write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n{temporary}include {folder}/recloop.conf;\n}}\n"
    )
    return main


@pytest.fixture
def proxied(serving, tmp_path: Path) -> Iterator[tuple[httpx.Client, object, int, int]]:
    """A client that speaks TLS to nginx in front of a service that needs keys; the store; the two ports."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem"),
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    http, https = free_port(), free_port()
    trusted = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    with serving(keys=True) as (direct, store):
        main = configured(folder, direct.base_url.netloc.decode(), http, https)
        checked = subprocess.run([NGINX, "-t", "-c", str(main)], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        running = subprocess.Popen([NGINX, "-c", str(main)], stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", https), timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.05)
            with httpx.Client(base_url=f"https://localhost:{https}", verify=trusted, timeout=20) as client:
                yield client, store, http, https
        finally:
            running.terminate()
            running.wait(20)


def test_slates_and_events_over_tls(proxied, tmp_path: Path) -> None:
    client, store, _, _ = proxied
    header = {"Authorization": f"Bearer {store.keys.create('shop', ['recommend', 'events'])}"}
    answer = client.post("/v1/recommend", json={"user": "planted", "k": 3}, headers=header | {"X-Request-Id": "mine-1"})
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 3
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert "/" not in answer.headers["server"]
    events = {"events": [{"user": "planted", "item": "i1", "kind": "view"}]}
    assert client.post("/v1/events", json=events, headers=header).status_code == 202
    made = client.post("/v1/events", json=events, headers=header | {"X-Request-Id": "not valid"})
    assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])  # nginx's own
    refused = client.post("/v1/recommend", json={})
    assert refused.status_code == 401
    assert refused.json()["detail"].startswith("the request has no API key")
    assert client.get("/health/ready").status_code == 200
    log = (tmp_path / "nginx" / "access.log").read_text()
    assert '"request":"mine-1"' in log
    assert "planted" not in log
    assert "Bearer" not in log


def test_what_is_not_for_everybody_is_not_there(proxied) -> None:
    client, store, http, _ = proxied
    header = {"Authorization": f"Bearer {store.keys.create('root', ['admin'])}"}
    for path in ("/metrics", "/docs", "/openapi.json", "/health/live", "/"):
        assert client.get(path, headers=header).status_code == 404
    moved = httpx.get(f"http://127.0.0.1:{http}/v1/releases", headers={"Host": "localhost"})
    assert moved.status_code == 308
    assert moved.headers["location"] == "https://localhost/v1/releases"


def test_large_bodies_and_old_tls_are_refused(proxied) -> None:
    client, _, _, https = proxied
    answer = client.post("/v1/events", content=b" " * 2_000_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT@SECLEVEL=0")  # so that this side would speak it
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", https), timeout=20) as raw,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        old.wrap_socket(raw, server_hostname="localhost")


def test_one_address_does_not_take_all(proxied) -> None:
    client, _, _, _ = proxied
    seen = {client.post("/v1/recommend", json={}).status_code for _ in range(400)}
    assert seen <= {401, 429}
    assert 401 in seen


def test_without_keys_a_request_through_a_proxy_is_not_answered(serving) -> None:
    """The name of the shop is not this machine: a proxy in front of an open service opens nothing."""
    with serving() as (client, _):
        assert client.post("/v1/recommend", json={}, headers={"Host": "shop.example"}).status_code == 421
