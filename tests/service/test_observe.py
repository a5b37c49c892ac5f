"""What an operator sees: stages, ranges, readiness that means it, logs as JSON, and examples that name real metrics."""

import io
import json
import logging
import re
import sqlite3
from pathlib import Path

import pytest

from recloop.app.watch import STAGES
from recloop.service.logs import REQUEST, json_logs
from recloop.service.tracing import Traces, traces_from_environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "monitoring"
DOCS = Path(__file__).resolve().parents[2] / "docs"
NAME = re.compile(r"\b(?:recloop|process)_[a-z_]+\b")


def busy(client) -> str:
    """A little of everything, and then the figures."""
    client.post("/v1/recommend", json={"user": "u1"})
    client.post("/v1/recommend", json={"candidates": []})
    client.post("/v1/events", json={"events": [{"user": "u", "item": "i1", "kind": "view", "time": 5.0}, {}]})
    client.post("/v1/feedback", json={"user": "u", "kind": "rating", "value": 3})
    client.get("/health/ready")
    return client.get("/metrics").text


def samples(text: str) -> dict[str, float]:
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def names(text: str) -> set[str]:
    """Every name that a scrape has, also of figures that have no sample yet."""
    found = {re.split(r"[{ ]", line, maxsplit=1)[0] for line in text.splitlines() if line[0] != "#"}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            found |= {name} | (
                {f"{name}_{end}" for end in ("bucket", "count", "sum")} if kind == "histogram" else set()
            )
    return found


def test_every_stage_is_measured(service) -> None:
    client, _ = service
    figures = samples(busy(client))
    for stage in STAGES:
        assert figures[f'recloop_stage_seconds_count{{stage="{stage}"}}'] >= 1
    # two slates, a batch of events and a rating wait for the store; no stage takes longer than the requests
    assert figures['recloop_stage_seconds_count{stage="store"}'] == 4
    whole = sum(value for name, value in figures.items() if name.startswith("recloop_request_seconds_sum"))
    assert sum(value for name, value in figures.items() if name.startswith("recloop_stage_seconds_sum")) < whole
    assert figures["recloop_event_lag_seconds_count"] == 1
    assert figures['recloop_event_lag_seconds_bucket{le="604800.0"}'] == 0  # of 1970
    assert figures['recloop_propensity_bucket{le="0.9",policy="blend"}'] == 0
    assert figures['recloop_propensity_bucket{le="1.0",policy="blend"}'] == 2
    assert figures["recloop_requests_under_way"] == 1  # the one that asks
    assert figures["recloop_release_loaded"] == 1
    assert figures["process_open_fds"] > 3


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_the_examples_name_metrics_that_there_are(service, file: str) -> None:
    client, _ = service
    known = names(busy(client))
    wanted = set(NAME.findall((EXAMPLES / file).read_text()))
    assert len(wanted) > 5
    assert not wanted - known


def test_every_metric_has_its_paragraph(service) -> None:
    client, _ = service
    page = (DOCS / "reference" / "http.md").read_text()
    for line in busy(client).splitlines():
        if line.startswith("# TYPE recloop_"):
            name = line.split()[2]
            if not name.endswith("_created"):
                assert f"`{name}`" in page, name


def test_labels_in_the_examples_are_those_of_the_metrics(service) -> None:
    client, _ = service
    figures = samples(busy(client))
    labels: dict[str, set[str]] = {}
    for name in figures:
        labels.setdefault(name.partition("{")[0], set()).update(re.findall(r'(\w+)="', name))
    text = (EXAMPLES / "alerts.yml").read_text() + (EXAMPLES / "grafana.json").read_text().replace('\\"', '"')
    for name, inside in re.findall(r"\b(recloop_[a-z_]+)\{([^}]*)\}", text):
        for label in re.findall(r"(\w+)[!=]~?=?\"", inside):
            assert label in labels.get(name, {"policy", "job"}) | {"job"}, (name, label)


def test_the_burn_rates_are_those_of_the_budget() -> None:
    """A share of 30 days' budget spent within a window is a multiple of its steady rate."""
    text = (EXAMPLES / "alerts.yml").read_text()
    hours = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}
    shares = {"1h": 0.02, "6h": 0.05, "1d": 0.1, "3d": 0.1}
    found = re.findall(
        r"ratio_rate(\w+) > ([\d.]+) \* ([\d.]+)\n +and recloop:\w+:ratio_rate(\w+) > ([\d.]+) \* ([\d.]+)", text
    )
    assert len(found) == 8
    for long, factor, budget, short, again, budget_again in found:
        assert (factor, budget) == (again, budget_again)
        assert float(factor) == pytest.approx(shares[long] * 30 * 24 / hours[long])
        minutes = {"5m": 5, "30m": 30, "2h": 120, "6h": 360}[short]
        assert minutes == hours[long] * 60 / 12
    for window in set(re.findall(r"ratio_rate(\w+)", text)):
        assert f"record: recloop:errors:ratio_rate{window}\n" in text
        assert f"record: recloop:slow_slates:ratio_rate{window}\n" in text


def test_the_files_can_be_read() -> None:
    board = json.loads((EXAMPLES / "grafana.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) >= 10
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    rules = yaml.safe_load((EXAMPLES / "alerts.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert all(rule["labels"]["severity"] in {"page", "ticket"} and rule["annotations"]["summary"] for rule in alerts)
    assert yaml.safe_load((EXAMPLES / "prometheus.yml").read_text())["rule_files"] == ["alerts.yml"]


# ---- ready


def test_ready_means_that_the_queue_is_not_full(service, monkeypatch) -> None:
    client, _ = service
    assert client.get("/health/ready").json() == {"status": "ready", "release": "one"}
    monkeypatch.setattr("recloop.app.serving.PENDING", -10)
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("0 rows wait to be written, and -10 may wait at most")


def test_asking_often_writes_seldom(serving, tmp_path: Path) -> None:
    with serving() as (client, _):
        with sqlite3.connect(tmp_path / "store.db") as reader:
            client.get("/health/ready")
            before = reader.execute("PRAGMA data_version").fetchone()
            for _ in range(3):
                assert client.get("/health/ready").status_code == 200
            asked = reader.execute("PRAGMA data_version").fetchone()
        reader.close()
        assert asked[0] - before[0] <= 1


# ---- logs


def test_lines_are_json_with_the_id_of_the_request() -> None:
    stream = io.StringIO()
    log = logging.getLogger("recloop.test_observe")
    with json_logs(stream):
        REQUEST.set("r-1")
        log.warning("policy '%s' failed", "blend")
        try:
            raise RuntimeError("secret words")
        except RuntimeError:
            logging.getLogger("uvicorn.error").exception("it failed")
        log.info("not told")
        REQUEST.set("")
    log.warning("nor this")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "time": first["time"],
        "level": "warning",
        "logger": "recloop.test_observe",
        "message": "policy 'blend' failed",
        "request": "r-1",
    }
    assert second["error"] == "RuntimeError"
    assert "test_observe.py" in second["where"][0]
    assert "secret" not in stream.getvalue()


def test_a_process_logs_json_and_nothing_else(start, releases, tmp_path: Path) -> None:
    import httpx

    one = start(tmp_path / "store.db", releases["one"])
    sent = {"X-Request-Id": "mine-7"}
    assert httpx.post(f"{one.url}/v1/recommend", json={}, headers=sent).headers["x-request-id"] == "mine-7"
    _, log = one.end(15)
    lines = [json.loads(line) for line in log.splitlines()]
    (mine,) = [line for line in lines if line.get("route") == "/v1/recommend"]
    assert (mine["request"], mine["status"], mine["method"]) == ("mine-7", 200, "POST")


# ---- traces


def test_without_a_collector_there_are_no_traces() -> None:
    assert not traces_from_environment({})
    assert not traces_from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"})
    with Traces().stage("choose"), Traces().request({}, {}):
        pass


def test_spans_of_a_request(serving, monkeypatch) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr("recloop.service.server.traces_from_environment", lambda: Traces(provider.get_tracer("test")))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with serving() as (client, _):
        client.post("/v1/recommend", json={"user": "planted"}, headers={"traceparent": parent, "X-Request-Id": "r1"})
        client.post("/v1/recommend", json={"user": "planted", "k": 0})
    spans = kept.get_finished_spans()
    whole = [span for span in spans if span.name == "POST /v1/recommend"]
    assert [span.attributes["http.response.status_code"] for span in whole] == [200, 422]
    assert whole[0].context.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert whole[0].attributes["recloop.request"] == "r1"
    inside = {span.name for span in spans if span.parent and span.parent.span_id == whole[0].context.span_id}
    assert inside == set(STAGES)
    assert "planted" not in "".join(span.to_json() for span in spans)


def test_a_collector_needs_the_extra(monkeypatch) -> None:
    import builtins

    from recloop.errors import ExtraError

    true = builtins.__import__

    def missing(name: str, *rest: object):
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return true(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ExtraError, match=r"pip install 'recloop\[otel\]'"):
        traces_from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"})
