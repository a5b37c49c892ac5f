"""The dashboard in a real browser: one logs in, reads, and puts an item over the policies; on a phone, too."""

from pathlib import Path

import httpx
import pytest
from argon2 import profiles

from recloop.store import Store

from .chromium import BROWSER, Chromium, eventually

WORDS = "correct horse battery"
PAGES = ("", "/experiments", "/experience", "/overrides", "/reviews", "/releases", "/audit")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_from_login_to_an_override(service: tuple[httpx.Client, Store], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(profiles, "RFC_9106_LOW_MEMORY", profiles.CHEAPEST)
    client, store = service
    store.accounts.add("eva", WORDS, "operator", actor="root")
    store.reviews.take([{"id": "f1", "title": "click rate", "sentence": "It fell. " * 30, "slice": {"app": "5" * 80}}])
    for _ in range(3):  # three days of slates, for the pictures
        for day in range(3):
            client.post("/v1/recommend", json={"user": "u1", "time": 1.7e9 + day * 86_400})
    base = str(client.base_url).rstrip("/")
    with Chromium(tmp_path / "profile") as browser:
        browser.open(f"{base}/dashboard/login")
        browser.evaluate("document.querySelector('[name=name]').focus()")
        browser("Input.insertText", text="eva")
        browser.evaluate("document.querySelector('[name=password]').focus()")
        browser("Input.insertText", text=WORDS)
        browser.click("form.fields button")
        eventually(lambda: browser.evaluate("location.pathname") == "/dashboard")
        assert browser.evaluate("document.cookie") == ""  # no script sees the session

        for width in (1280, 390):
            browser("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
            for page in PAGES:
                browser.open(f"{base}/dashboard{page}")
                assert browser.evaluate("document.documentElement.scrollWidth") <= width, (page, width)
                assert browser.evaluate("document.querySelectorAll('h1').length") == 1
                assert (
                    browser.evaluate("getComputedStyle(document.querySelector('nav a[aria-current]')).fontWeight")
                    == "600"
                )

        browser("Emulation.setDeviceMetricsOverride", width=1280, height=1400, deviceScaleFactor=1, mobile=False)
        browser.open(f"{base}/dashboard")
        at = browser.evaluate(
            "(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector('svg.chart').getBoundingClientRect())"
        )
        browser("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])
        eventually(lambda: browser.evaluate("document.querySelector('.tip').textContent") == "slates 3.00")

        browser.open(f"{base}/dashboard/overrides")
        visible = "[...document.querySelectorAll('[data-for],[data-not]')].filter(e => !e.hidden).map(e => e.querySelector('input').name)"
        assert browser.evaluate(visible) == ["place", "surface", "segment"]
        browser.click("input[value=ban]")
        eventually(lambda: browser.evaluate(visible) == [])
        browser.click("input[value=boost]")
        eventually(lambda: browser.evaluate(visible) == ["strength", "surface", "segment"])
        browser.evaluate("document.querySelector('[name=strength]').value = '-3'")  # hidden again, it stops no form
        browser.click("input[value=pin]")
        browser.evaluate("document.querySelector('[name=items]').value = 'i30'")
        browser.evaluate("document.querySelector('[name=reason]').value = 'film of the week'")
        browser.click("form[data-action-form] button")
        eventually(
            lambda: (
                browser.evaluate("document.querySelector('[role=status]')?.textContent")
                == "The override holds from now on."
            )
        )
        assert client.post("/v1/recommend", json={"k": 3}).json()["items"][0]["item"] == "i30"

        browser.evaluate("document.querySelector('header.top form').requestSubmit()")
        eventually(lambda: browser.evaluate("location.pathname") == "/dashboard/login")
        browser("Page.navigate", url=f"{base}/dashboard")
        eventually(lambda: browser.evaluate("location.pathname + document.readyState") == "/dashboard/logincomplete")
        assert browser.complaints == []
