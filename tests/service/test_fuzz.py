"""The OpenAPI description is kept: whatever is sent, no 5xx, and every answer is of a described status, type and schema.

What schemas cannot say (a rating needs a value) is refused with 422 though the schema allows it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from recloop.service.routes import ROUTES
from recloop.service.server import background
from recloop.store import Store

schemathesis = pytest.importorskip("schemathesis", reason="needs the extra dev")
TIMES = pytest.mark.parametrize("times", [6, pytest.param(200, marks=pytest.mark.faults)])
# where there is no body, nothing can be wrong with it
MODES = [(route, mode) for route in ROUTES for mode in ("positive", "negative") if mode == "positive" or route.request]
EXPERIMENT = {"name": "home", "variants": {"a": {"policy": "popular", "control": True}, "b": {"policy": "blend"}}}
KNOWN = ("home", "one", "two")  # an experiment and two releases: what stands in for the name in a path


@pytest.fixture(scope="module")
def described(releases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str, dict]]:
    """The description as the service gives it, where it answers, and a key that opens everything."""
    file = tmp_path_factory.mktemp("fuzz") / "shop.db"
    with Store(file) as store:
        headers = {"Authorization": f"Bearer {store.keys.create('root', ['admin'])}"}
        store.releases.add("two", str(releases["two"]), "")
    with background(file, release=releases["one"], port=0, log=None, keys=True) as server:
        import httpx

        httpx.post(f"{server.url}/v1/experiments", json=EXPERIMENT, headers=headers).raise_for_status()
        document = httpx.get(f"{server.url}/openapi.json").json()
        yield schemathesis.openapi.from_dict(document), server.url, headers


@TIMES
@pytest.mark.parametrize(("route", "mode"), MODES, ids=[f"{route.method} {route.path} {mode}" for route, mode in MODES])
def test_the_description_is_kept(described: tuple[Any, str, dict], route: Any, mode: str, times: int) -> None:
    description, url, headers = described
    cases = description[route.path][route.method].as_strategy(generation_mode=schemathesis.GenerationMode(mode))
    # of a batch the events that are valid are kept, so one that is not does not refuse the batch
    partly = ["negative_data_rejection"] if route.path in {"/v1/events", "/v1/beacon"} else []
    beyond = [schemathesis.checks.CHECKS.get_one(name) for name in ("positive_data_acceptance", *partly)]

    @seed(1)
    @settings(max_examples=times, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        case = data.draw(cases)
        if case.path_parameters and (name := data.draw(st.sampled_from([*KNOWN, ""]))):
            case.path_parameters = dict.fromkeys(case.path_parameters, name)
        case.call_and_validate(base_url=url, headers=headers, excluded_checks=beyond)

    fuzz()
