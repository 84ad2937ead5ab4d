"""Whatever text events carry, the page shows it as text: nothing of it runs, links elsewhere or turns a line round."""

import re
import unicodedata
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from stream import health
from tests.builders import chargeback, claim, feedback, order
from tests.pages.serving import LivePages
from tests.pages.test_live_page import console, injected, no_script_ran, opened, rows, text_of, tile, wait_for_text

HOSTILE = {
    "an image that can't be loaded": "<img src=x onerror=alert(1)>",
    "a script": "</script><script>alert(1)</script>",
    "an end of an attribute": "\"'><svg onload=alert(1)>",
    "a script as a link": "javascript:alert(1)//",
    "a page as a link": "data:text/html,<script>alert(1)</script>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt;&#x3c;",
    "templates": "{{constructor.constructor('alert(1)')()}}${alert(1)}",
    "letters that turn a line round": "safe\u202e\u2066gpj.exe\u2069\u200b\u2028",
    "control characters": "\x1b[31m\x00\x07\r\n\x85",
    "a comment": "<!--<img src='-->' onerror=alert(1)>",
    "a formula": '=HYPERLINK("http://x"&A1)',
}
HIDDEN = ("Cc", "Cf", "Cn", "Co", "Zl", "Zp")


def as_seen(text: str) -> str:
    """The text with what can't be seen told by its number, as the page promises."""
    return "".join(f"⟨U+{ord(one):04X}⟩" if unicodedata.category(one) in HIDDEN else one for one in text)


def addresses(browser: Chrome) -> list[str]:
    """Every address that the page links to or loads from."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
        ".filter(a => ['href', 'src', 'action', 'formaction', 'xlink:href'].includes(a.name)).map(a => a.value)"
    )
    return found


def handlers(browser: Chrome) -> int:
    """How many attributes are scripts."""
    count: int = browser.execute_script(
        "return [...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
        ".filter(a => a.name.startsWith('on')).length"
    )
    return count


def assert_only_text(browser: Chrome) -> None:
    assert injected(browser) == 0
    assert len(browser.find_elements(By.CSS_SELECTOR, "body iframe, body object, body svg script, body svg image")) == 0
    assert handlers(browser) == 0
    assert all(re.match(r"/(?!/)|#", address) for address in addresses(browser))
    assert no_script_ran(browser)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_ids_are_shown_as_they_are_written_and_do_nothing(browser: Chrome, pages: LivePages, text: str) -> None:
    own = {"seller_id": text, "marketplace_id": text, "order_id": text}
    pages.apply(
        order(**own),
        claim("pending", **own, claim_id=f"1{text}"),
        feedback(1, **own, feedback_id=f"2{text}", comment=text),
        chargeback("service", **own, chargeback_id=f"3{text}"),
    )
    seen = as_seen(text)

    opened(browser, pages, "/")
    assert [row[:2] for row in rows(browser, "#sellers")] == [[seen, seen]]
    assert_only_text(browser)
    browser.find_element(By.CSS_SELECTOR, "#sellers a").click()

    wait_for_text(browser, tile("official"), "1 of 1")
    assert text_of(browser, "#seller") == seen
    assert browser.title == f"{seen} · seller"
    (defect,) = rows(browser, "#defects")
    assert defect[0] == seen
    assert [f"{number}{seen}" for number in (1, 2, 3) if f"{number}{seen} " not in defect[3]] == []
    assert_only_text(browser)
    assert console(browser) == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_chart_draws_hostile_text_as_text(
    browser: Chrome, pages: LivePages, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    # A forecast's days are our own, but the chart is SVG, where text that isn't escaped runs like a page's.
    forecast = health.forecast

    def hostile(*arguments: Any) -> list[dict[str, Any]]:
        return [{**day, "day": f"2026-{text}"} for day in forecast(*arguments)]

    monkeypatch.setattr(health, "forecast", hostile)
    pages.apply(order(), claim("pending"))

    opened(browser, pages, "/sellers/A2SELLER")

    drawn = browser.execute_script("return [...document.querySelectorAll('svg.chart text')].map(t => t.textContent)")
    assert text in drawn
    titles = browser.execute_script("return [...document.querySelectorAll('svg.chart title')].map(t => t.textContent)")
    assert titles
    assert all(title.startswith(f"2026-{text}: ") for title in titles)
    assert_only_text(browser)


def test_the_policy_stops_handlers_and_links_that_are_scripts(browser: Chrome, pages: LivePages) -> None:
    opened(browser, pages, "/")
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', `<button id=one onclick='window.ran = 1'>x</button>"
        "<a id=two href='javascript:window.ran = 2'>y</a><img src=x onerror='window.ran = 3'>`)"
    )
    for name in ("one", "two"):
        browser.find_element(By.ID, name).click()
    told = " ".join(console(browser))
    assert browser.execute_script("return window.ran") is None
    assert told.count("Content Security Policy") >= 2


def test_the_policy_stops_questions_to_other_places(browser: Chrome, pages: LivePages) -> None:
    opened(browser, pages, "/")
    ask = "const done = arguments[0]; fetch('http://127.0.0.2:1/').then(() => done('asked'), () => done('stopped'))"
    assert browser.execute_async_script(ask) == "stopped"
    assert "connect-src 'self'" in " ".join(console(browser))
