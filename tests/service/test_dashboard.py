"""The dashboard over HTTP: closed to strangers, roles, forms of its own pages alone, and what each page says."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from argon2 import profiles

from recloop.app.reviews import take_report
from recloop.dashboard.table import VIEWS
from recloop.dashboard.visit import View
from recloop.loop.release import rebuilt
from recloop.store import Store
from recloop.types import Feedback

WORDS = "correct horse battery"
HOST = "__Host-recloop"


class Person:
    """Somebody with a browser."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = httpx.Client(base_url=client.base_url, timeout=20)

    def login(self, name: str, password: str = WORDS) -> httpx.Response:
        return self.send("/dashboard/login", self.token("/dashboard/login"), name=name, password=password)

    def token(self, page: str = "/dashboard") -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.client.get(page).text)
        assert found, page
        return found.group(1)

    def send(self, path: str, csrf: str | None = None, **form: object) -> httpx.Response:
        token = self.token() if csrf is None else csrf
        return self.client.post(path, data={"csrf": token, **form})

    def read(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.text


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed with the least work: how much work it is, the tests of the store tell."""
    monkeypatch.setattr(profiles, "RFC_9106_LOW_MEMORY", profiles.CHEAPEST)


@pytest.fixture
def people(service: tuple[httpx.Client, Store]) -> Iterator[dict[str, Any]]:
    client, store = service
    store.accounts.add("eva", WORDS, "operator", actor="root")
    store.accounts.add("vic", WORDS, actor="root")
    found = {name: Person(client) for name in ("eva", "vic", "stranger")}
    for name in ("eva", "vic"):
        assert found[name].login(name).status_code == 303
    yield {**found, "store": store, "client": client}
    for one in found.values():
        one.client.close()


def address(view: View) -> str:
    return view.path.replace("{name}", "nothing")


def test_every_page_and_form_is_closed_by_default(people) -> None:
    """The table is walked: without a session every line leads to the login, whatever is sent."""
    assert {view.path for view in VIEWS if view.role == "anybody"} == {"/dashboard/login"}
    assert {view.role for view in VIEWS if view.method == "POST"} == {"anybody", "viewer", "operator"}
    assert [view.path for view in VIEWS if view.method == "POST" and view.role == "viewer"] == ["/dashboard/logout"]
    for view in VIEWS:
        if view.role == "anybody":
            continue
        for cookie in ("", "recloop=x", "recloop=anon-1", f"{HOST}=x"):
            answer = people["client"].request(view.method, address(view), headers={"cookie": cookie})
            assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/dashboard/login", ""), view
    for path in ("/dashboard/nothing", "/dashboard/overrides/x/y"):
        assert people["client"].get(path).headers["location"] == "/dashboard/login"  # nor is told what there is


def test_a_viewer_reads_everything_and_changes_nothing(people) -> None:
    before = people["store"].audit.lines()
    token = people["vic"].token()
    for view in VIEWS:
        if view.role == "operator":
            answer = people["vic"].send(address(view), token, action="ban", items="i1", reason="r", do="resolve")
            assert answer.status_code == 403, view
            assert "Your role is viewer" in answer.text
    assert people["store"].audit.lines() == before
    assert people["store"].overrides.all() == []
    for page in ("", "/experiments", "/experience", "/overrides", "/reviews", "/releases", "/audit"):
        html = people["vic"].read(f"/dashboard{page}")
        assert html.count('<form method="post"') == 1, page  # the one that logs out


def test_a_form_needs_the_token_of_its_own_session(people) -> None:
    wish = {"action": "ban", "items": "i1", "reason": "r"}
    for token in ("", "0" * 64, people["vic"].token(), people["stranger"].token("/dashboard/login")):
        answer = people["eva"].send("/dashboard/overrides", token, **wish)
        assert answer.status_code == 403
        assert "This form is not from this page" in answer.text
    token = people["eva"].token()
    cross = people["eva"].client.post(
        "/dashboard/overrides", data={"csrf": token, **wish}, headers={"sec-fetch-site": "cross-site"}
    )
    assert cross.status_code == 403
    as_json = people["eva"].client.post("/dashboard/overrides", json={"csrf": token, **wish})
    assert as_json.status_code == 403
    long = people["eva"].send("/dashboard/overrides", token, **wish, segment="x" * 70_000)
    assert long.status_code == 403
    assert people["store"].overrides.all() == []
    login = people["stranger"].send("/dashboard/login", "0" * 64, name="eva", password=WORDS)
    assert login.status_code == 403
    assert "set-cookie" not in login.headers


def test_the_cookie_is_for_this_site_and_no_script(people) -> None:
    cookie = people["stranger"].login("eva").headers["set-cookie"]
    assert re.fullmatch(r"recloop=[\w-]{43}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict", cookie)
    tls = {"x-forwarded-proto": "https"}
    client = people["client"]
    page = client.get("/dashboard/login", headers=tls)
    assert re.fullmatch(
        rf"{HOST}=anon-[\w-]{{32}}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure",
        page.headers["set-cookie"],
    )
    token = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert token
    kept = tls | {"cookie": page.headers["set-cookie"].partition(";")[0]}
    form = {"csrf": token.group(1), "name": "eva", "password": WORDS}
    entered = client.post("/dashboard/login", data=form, headers=kept)
    assert entered.headers["set-cookie"].endswith("; Secure")
    session = entered.headers["set-cookie"].partition(";")[0]
    assert client.get("/dashboard", headers=tls | {"cookie": session}).status_code == 200
    plain = session.replace(HOST, "recloop")
    assert client.get("/dashboard", headers=tls | {"cookie": plain}).status_code == 303  # a planted cookie is not read


def test_login_gives_a_new_session_and_logout_ends_it_in_the_store(people) -> None:
    eva = people["eva"]
    session = eva.client.cookies["recloop"]
    assert not session.startswith("anon-")
    answer = eva.send("/dashboard/logout")
    assert answer.headers["location"] == "/dashboard/login?done=bye"
    assert "Max-Age=0" in answer.headers["set-cookie"]
    old = people["client"].get("/dashboard", headers={"cookie": f"recloop={session}"})
    assert old.status_code == 303
    assert [line.action for line in people["store"].audit.lines(1)] == ["dashboard logout"]


def test_five_wrong_passwords_and_the_name_must_wait(people) -> None:
    stranger = people["stranger"]
    told = [stranger.login("eva", "wrong words").status_code for _ in range(6)]
    assert told == [401] * 5 + [429]
    right = stranger.login("eva")
    assert right.status_code == 429
    assert "Too many tries. Wait 5 minutes." in right.text
    assert people["eva"].client.get("/dashboard").status_code == 200  # who is inside stays inside


def test_pages_load_nothing_from_elsewhere_and_run_no_script_inside(people) -> None:
    for page in ("/login", "", "/experiments", "/experience", "/overrides", "/reviews", "/releases", "/audit", "/none"):
        who = people["stranger"] if page == "/login" else people["eva"]
        answer = who.client.get(f"/dashboard{page}")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; style-src 'self'; script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        html = answer.text
        assert re.findall(r"<script[^>]*>", html) == ['<script src="/dashboard/script.js" defer>']
        assert not re.search(r'\sstyle="|\son\w+="|<style|https?://(?!www\.w3\.org/2000/svg)', html), page


def test_an_operator_puts_an_item_over_the_policies_and_takes_it_back(people) -> None:
    eva, client, store = people["eva"], people["client"], people["store"]
    sent = eva.send(
        "/dashboard/overrides", action="pin", items="i30, i31", place="1", reason="<b>film</b> of the week", days="7"
    )
    assert sent.headers["location"] == "/dashboard/overrides?done=added"
    slate = client.post("/v1/recommend", json={"k": 5}).json()  # the very next request
    assert [entry["item"] for entry in slate["items"][:2]] == ["i30", "i31"]
    (made,) = store.overrides.all()
    assert (made.owner, made.items, made.surface) == ("eva", ("i30", "i31"), "")
    html = eva.read("/dashboard/overrides?done=added")
    assert "The override holds from now on." in html
    assert "&lt;b&gt;film&lt;/b&gt; of the week" in html
    assert "<b>film" not in html
    assert "people hold 1 override over the policies" in eva.read("/dashboard")
    assert eva.send(f"/dashboard/overrides/{made.id}/end").status_code == 303
    slate = client.post("/v1/recommend", json={"k": 5}).json()
    assert "i30" not in [entry["item"] for entry in slate["items"][:2]]
    assert [(line.actor, line.action) for line in store.audit.lines(2)] == [
        ("eva", "end override"), ("eva", "add override: pin"),
    ]  # fmt: skip
    assert "end override" in eva.read("/dashboard/audit?about=override")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"action": "pin", "items": "nope", "reason": "r", "place": "1"}, "has no item &#39;nope&#39;"),
        ({"action": "pin", "items": "i1", "reason": "r", "place": "one"}, "the place is &#39;one&#39;"),
        ({"action": "boost", "items": "i1", "reason": "r", "strength": "nan"}, "the strength is &#39;nan&#39;"),
        ({"action": "hide", "items": "i1", "reason": "", "days": ""}, "the override has no reason"),
        ({"action": "hide", "items": "i1", "reason": "r", "segment": "woman"}, "the segment is &#39;woman&#39;"),
        ({"action": "<i>", "items": "i1", "reason": "r"}, "there is no override &#39;&lt;i&gt;&#39;"),
    ],
)
def test_a_wrong_form_is_told_in_a_sentence(people, form: dict[str, str], sentence: str) -> None:
    answer = people["eva"].send("/dashboard/overrides", **form)
    assert answer.status_code == 422
    assert '<a href="/dashboard/overrides">Back to Overrides</a>' in answer.text
    assert sentence in answer.text
    assert people["store"].overrides.all() == []


def test_findings_go_through_the_queue(people) -> None:
    eva, store = people["eva"], people["store"]
    store.append_feedback([Feedback("u1", "comment", 5.0, None, "<script>alert(1)</script>", id="c1")])
    finding = {
        "id": "f1", "title": "click rate", "slice": {"device": "tv"}, "sentence": "It fell.", "advice": "Roll back.",
        "said": {"examples": [{"id": "c1", "text": "as the report has it"}, {"id": "c2", "text": "from elsewhere"}]},
    }  # fmt: skip
    take_report(store, {"findings": [finding]})
    html = eva.read("/dashboard/reviews")
    assert "1 finding waits for somebody." in html
    assert "It fell." in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert "as the report has it" not in str(store.reviews.all())  # a text lives in one place alone: where it is erased
    assert people["client"].post("/v1/persons/erase", json={"user": "u1"}).status_code == 200
    assert "alert(1)" not in eva.read("/dashboard/reviews")
    assert "1 finding is open" in eva.read("/dashboard")
    assert eva.send("/dashboard/reviews/f1", do="assign", assignee="vic").status_code == 303
    assert "vic looks after it" in eva.read("/dashboard/experience")
    assert eva.send("/dashboard/reviews/f1", do="mute", days="3").status_code == 303
    assert "no finding is open" in eva.read("/dashboard")
    assert eva.send("/dashboard/reviews/f1", do="reopen").status_code == 303
    assert eva.send("/dashboard/reviews/f1", do="resolve", note="rolled back").status_code == 303
    assert eva.send("/dashboard/reviews/f1", do="resolve").status_code == 409
    assert eva.send("/dashboard/reviews/f2", do="resolve").status_code == 404
    assert eva.send("/dashboard/reviews/f1", do="shout").status_code == 422
    assert store.reviews.get("f1").note == "rolled back"


def test_a_release_is_promoted_and_rolled_back_once_its_name_is_typed(people, releases) -> None:
    eva, store, client = people["eva"], people["store"], people["client"]
    store.releases.add("two", str(releases["two"]), "x", actor="root")
    assert eva.send("/dashboard/releases/two/promote", confirm="tow").status_code == 422
    assert client.post("/v1/recommend", json={}).json()["release"] == "one"
    assert eva.send("/dashboard/releases/two/promote", confirm="two").headers["location"].endswith("?done=promoted")
    assert client.post("/v1/recommend", json={}).json()["release"] == "two"
    assert "Rolling back brings one." in eva.read("/dashboard/releases")
    assert eva.send("/dashboard/releases/rollback", confirm="two").status_code == 422
    assert eva.send("/dashboard/releases/rollback", confirm="one").status_code == 303
    assert client.post("/v1/recommend", json={}).json()["release"] == "one"
    assert store.audit.lines(1)[0].actor == "eva"


def test_an_experiment_is_read_with_its_sentence_first(people) -> None:
    client, eva = people["client"], people["eva"]
    definition = {
        "name": "home", "planned_users": 40, "minimum_users": 20,
        "variants": {"popular": {"policy": "popular", "control": True}, "blend": {"policy": "blend"}},
    }  # fmt: skip
    made = client.post("/v1/experiments", json=definition)
    assert made.status_code == 201, made.text
    assert "It is a draft: nobody is assigned yet." in eva.read("/dashboard/experiments")
    client.post("/v1/experiments/home/start")
    for n in range(40):
        decision = client.post("/v1/recommend", json={"user": f"u{n}", "k": 5}).json()
        if n % 3 == 0:
            event = {"user": f"u{n}", "item": decision["items"][0]["item"], "kind": "click",
                     "decision": decision["decision"], "id": f"e{n}"}  # fmt: skip
            client.post("/v1/events", json={"events": [event]})
    eva.send("/dashboard/logout")
    assert eva.login("eva").status_code == 303
    html = people["vic"].read("/dashboard/experiments/home")
    verdict = re.search(r'<div class="verdict \w+"><p>(.+?)</p>', html)
    assert verdict
    told = client.get("/v1/experiments/home/readout").json()["sentence"]
    assert verdict.group(1).replace("&#39;", "'") == told
    assert "<svg" in html
    assert "click rate" in html
    assert "1 experiment runs" in people["vic"].read("/dashboard")
    assert people["vic"].client.get("/dashboard/experiments/nothing").status_code == 404


def test_the_log_and_the_figures_name_the_page_and_nobody(people) -> None:
    people["eva"].read("/dashboard/audit?about=secret")
    text = people["client"].get("/metrics").text
    assert 'route="/dashboard/audit"' in text
    assert "secret" not in text
    assert "eva" not in text


def test_the_host_must_be_ours(people) -> None:
    answer = people["client"].get("/dashboard/login", headers={"host": "evil.example"})
    assert answer.status_code == 421


def test_a_release_whose_gate_is_shut_answers_only_with_a_reason(people, releases, tmp_path) -> None:
    eva, store, client = people["eva"], people["store"], people["client"]
    rules = {"default_policy": "popular", "gate": {"worst_group": 0.02}}
    gated = rebuilt(releases["one"], tmp_path / "gated", name="gated", version=3, strategies={}, more=rules)
    store.releases.add("gated", str(gated), "y", actor="root")
    said = client.post("/v1/releases/gated/promote")
    assert said.status_code == 409
    assert "No experiment has tried 'popular' over the strategies of this release" in said.json()["detail"]
    assert eva.send("/dashboard/releases/gated/promote", confirm="gated").status_code == 409
    assert eva.send("/dashboard/releases/gated/promote", confirm="gated", force="yes").status_code == 422
    assert client.post("/v1/releases/gated/force", json={"reason": ""}).status_code == 422
    assert client.post("/v1/recommend", json={}).json()["release"] == "one"
    assert (
        eva.send("/dashboard/releases/gated/promote", confirm="gated", force="yes", reason="a demo").status_code == 303
    )
    assert client.post("/v1/recommend", json={}).json()["release"] == "gated"
    client.post("/v1/releases/rollback")
    assert client.post("/v1/releases/gated/force", json={"reason": "sold-out items"}).json()["active"]
    first, second = store.audit.about("promote release", "gated")
    assert (first.actor, first.detail[:22]) == ("eva", "past its gate: a demo ")
    assert second.detail.startswith("past its gate: sold-out items (No experiment has tried 'popular'")
