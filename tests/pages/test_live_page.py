"""The live page in a real browser: what a seller reads there, that it moves by itself, and that text stays text."""

from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote

import pytest
from selenium.common.exceptions import NoAlertPresentException, StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from stream import health
from tests.builders import DE, SELLER, chargeback, claim, feedback, order
from tests.pages.serving import WITHIN_SECONDS, LivePages
from tests.recount import InputEvent

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
HOSTILE_IDS = (
    MARKUP,
    'Ö/2 "x"\\ <script>',
    "..",
    ".",
    "a/../b",
    "%2e%2e",
    "{braces}?q=1#fragment&amp;",
    "\u202egnp.elif\n\x00",
    "__proto__",
    " ",
    "☃" * 128,
)


def orders(number: int, seller: str = SELLER, **fields: Any) -> list[InputEvent]:
    return [order(f"o{at}", seller_id=seller, **fields) for at in range(1, number + 1)]


def answered(pages: LivePages, path: str) -> HTTPResponse:
    """Return the answer to a path that is sent as it is: no client in between resolves its dots."""
    connection = HTTPConnection(pages.address("").removeprefix("http://"), timeout=WITHIN_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer


def text_of(browser: Chrome, selector: str) -> str:
    return " ".join(found.text for found in browser.find_elements(By.CSS_SELECTOR, selector))


def wait_for(browser: Chrome, holds: Callable[[], object], what: str) -> None:
    ignored = (StaleElementReferenceException,)
    waiting = WebDriverWait(browser, WITHIN_SECONDS, poll_frequency=0.05, ignored_exceptions=ignored)
    waiting.until(lambda _: holds(), what)


def wait_for_text(browser: Chrome, selector: str, text: str) -> None:
    wait_for(browser, lambda: text in text_of(browser, selector), f"{selector} never says {text!r}")


def opened(browser: Chrome, pages: LivePages, path: str, user_and_password: str = "") -> None:
    browser.get(pages.address(path, user_and_password))
    wait_for_text(browser, "#status", "Live")


def console(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]


def rows(browser: Chrome, selector: str) -> list[list[str]]:
    read = "return [...document.querySelectorAll(arguments[0])].map(row => [...row.children].map(c => c.textContent))"
    found: list[list[str]] = browser.execute_script(read, f"{selector} tbody tr")
    return found


def listed_sellers(browser: Chrome) -> list[str]:
    return [row[0] for row in rows(browser, "#sellers")]


def tile(window: str, seller_section: int = 1) -> str:
    return f"#figures section:nth-of-type({seller_section}) [data-window={window}]"


def no_script_ran(browser: Chrome) -> bool:
    try:
        browser.switch_to.alert.dismiss()
    except NoAlertPresentException:
        return True
    return False


def injected(browser: Chrome) -> int:
    return len(browser.find_elements(By.CSS_SELECTOR, "body img, body script, body [onerror]"))


def test_sellers_are_listed_worst_first_with_their_figures(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(10, "fine"), *orders(4, "bad"), claim("pending", seller_id="bad"))
    pages.apply(*orders(20, "worse"), *(feedback(1, f"o{at}", seller_id="worse") for at in range(1, 11)))
    pages.apply(order(seller_id="new", purchased="2026-11-02T00:00:00Z", channel="AFN", marketplace_id=DE))

    opened(browser, pages, "/")

    assert rows(browser, "#sellers") == [
        ["worse", "Amazon.com ATVPDKIKX0DER", "MFN", "50.00 %", "10 of 20", "✕ Missed"],
        ["bad", "Amazon.com ATVPDKIKX0DER", "MFN", "25.00 %", "1 of 4", "✕ Missed"],
        ["fine", "Amazon.com ATVPDKIKX0DER", "MFN", "0.00 %", "0 of 10", "✓ Good"],
        ["new", "Amazon.de A1PA6795UKMFR9", "AFN", "no orders in it", "0 of 0", "– No data"],
    ]
    assert console(browser) == []


def test_a_seller_is_found_by_a_part_of_its_id(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(1, "APPLES"), *orders(1, "PEARS"), *orders(1, "pears"))
    opened(browser, pages, "/")

    browser.find_element(By.ID, "part").send_keys("PEA")
    wait_for(browser, lambda: listed_sellers(browser) == ["PEARS"], "the search never narrows the list")
    browser.refresh()
    wait_for(browser, lambda: listed_sellers(browser) == ["PEARS"], "the search is not in the address")

    browser.find_element(By.ID, "part").send_keys("CH", Keys.ENTER)
    wait_for_text(browser, "#found", "No seller's id contains this.")
    assert listed_sellers(browser) == []


def test_many_sellers_are_paged(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*(order(seller_id=f"seller {at:03}") for at in range(101)))
    opened(browser, pages, "/")
    assert listed_sellers(browser) == [f"seller {at:03}" for at in range(50)]
    assert not browser.find_element(By.ID, "before").is_enabled()

    browser.find_element(By.ID, "after").click()
    wait_for_text(browser, "#place", "page 2 of 3")
    browser.find_element(By.ID, "after").click()
    wait_for(browser, lambda: listed_sellers(browser) == ["seller 100"], "the last page never comes")
    assert not browser.find_element(By.ID, "after").is_enabled()


def test_a_seller_sees_both_windows_and_the_orders_behind_them(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(40), order("young", purchased="2026-10-30T12:00:00Z"), feedback(1, "young"))
    pages.apply(claim("pending", reason="not_received", event_time="2026-10-31T16:20:05Z"))
    pages.apply(chargeback("service", reason="damaged_or_defective"))

    opened(browser, pages, f"/sellers/{SELLER}")

    official, ahead = text_of(browser, tile("official")), text_of(browser, tile("ahead"))
    for told in (
        "2.50 %",
        "1 of 40 orders",
        "Missed",
        "Low volume",
        "under 1 %",
        "1 defective order too many",
        "0.44 % to 12.88 %",
    ):
        assert told in official
    assert "2026-08-21 to 2026-10-19" in official
    assert "4.88 %" in ahead
    assert "2 of 41" in ahead
    assert "Artificially low" in ahead
    assert "Artificially low" not in official
    assert "by feedback 0" in " ".join(official.split())
    assert "by feedback 1, 2.44 %" in " ".join(ahead.split())
    assert "by claims 1, 2.50 %" in " ".join(official.split())
    assert "by chargebacks 1, 2.50 %" in " ".join(official.split())
    old, young = rows(browser, "#defects")
    assert old[:2] == ["o1", "2026-10-01"]
    assert "claim: not received (pending) C-1 2026-10-31 16:20 UTC" in old[3]
    assert "chargeback: damaged or defective (open)" in old[3]
    assert old[4:] == ["official, ahead", "2026-12-15 in 42 days"]
    assert young[4:] == ["ahead official from 2026-11-14, in 11 days", "2027-01-13 in 71 days"]
    assert "not received 1" in text_of(browser, "#defects .lead")
    assert console(browser) == []


def test_the_forecast_says_when_the_target_is_met_again(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(4, purchased="2026-08-25T12:00:00Z"), claim("pending"), order("later"))

    opened(browser, pages, f"/sellers/{SELLER}")

    assert "it is met again from 2026-11-08 (in 5 days)" in text_of(browser, ".outlook")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".chart .bar")) == 60
    assert len(browser.find_elements(By.CSS_SELECTOR, ".chart .bar.missed")) == 4
    days = rows(browser, ".forecast details")
    assert days[3] == ["2026-11-07", "20.00 %", "1 of 5"]
    assert days[4] == ["2026-11-08", "0.00 %", "0 of 1"]
    assert days[-1] == ["2027-01-02", "–", "0 of 0"]


def test_a_share_beside_its_target_does_not_read_like_the_target(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*(order(f"b{at}", seller_id="big") for at in range(20_001)))
    pages.apply(*(feedback(1, f"b{at}", seller_id="big") for at in range(200)))

    opened(browser, pages, "/sellers/big")

    assert text_of(browser, f"{tile('official')} .ratio") == "0.99995 %"


def test_figures_move_by_themselves_when_a_claim_is_withdrawn(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(200), *(claim("pending", f"o{at}") for at in (1, 2)))
    opened(browser, pages, f"/sellers/{SELLER}")
    assert "2 of 200" in text_of(browser, tile("official"))
    assert "Missed" in text_of(browser, tile("official"))

    pages.apply(claim("withdrawn", "o2"))

    wait_for_text(browser, tile("official"), "1 of 200")
    assert "At risk" in text_of(browser, tile("official"))
    assert [row[0] for row in rows(browser, "#defects")] == ["o1"]
    assert "Amazon.com MFN, order defect rate, official: 2 of 200 → 1 of 200 orders, now at risk" in text_of(
        browser, "#moved"
    )


def test_the_list_moves_by_itself_and_keeps_the_keyboards_place(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(4, "a"), *orders(4, "b"), claim("pending", seller_id="a"))
    opened(browser, pages, "/")
    browser.execute_script("document.querySelectorAll('#sellers a')[1].focus()")

    pages.apply(claim("denied", seller_id="a"), *(feedback(1, f"o{at}", seller_id="b") for at in (1, 2)))

    wait_for(browser, lambda: listed_sellers(browser) == ["b", "a"], "the list never moves")
    assert browser.switch_to.active_element.text == "b"


def test_an_unknown_seller_is_said_to_be_unknown_until_it_comes(browser: Chrome, pages: LivePages) -> None:
    opened(browser, pages, "/sellers/nobody%20yet")
    assert "Unknown seller" in text_of(browser, "#figures")
    assert text_of(browser, "#seller") == "nobody yet"

    pages.apply(order(seller_id="nobody yet"))

    wait_for_text(browser, tile("official"), "0 of 1")


@pytest.mark.parametrize("path", ["/", f"/sellers/{SELLER}"])
def test_a_page_whose_worker_has_gone_says_that_it_is_out_of_date(browser: Chrome, pages: LivePages, path: str) -> None:
    pages.apply(*orders(3))
    opened(browser, pages, path)

    pages.stop()

    wait_for_text(browser, "#status", "Out of date: the worker at 127.0.0.1:")
    wait_for_text(browser, "#age", "figures of")
    assert "of 3" in text_of(browser, "main")


def test_a_refused_question_is_told_with_the_workers_own_words(browser: Chrome, pages: LivePages) -> None:
    browser.get(pages.address("/sellers/%FF%FE"))  # no UTF-8
    wait_for(browser, lambda: text_of(browser, "#status"), "nothing is told")
    assert "Unknown seller" in text_of(browser, "#figures")


@pytest.mark.parametrize("seller", HOSTILE_IDS, ids=ascii)
def test_any_sellers_id_leads_from_the_list_to_its_page(browser: Chrome, pages: LivePages, seller: str) -> None:
    pages.apply(*orders(3, seller, marketplace_id=MARKUP), claim("pending", seller_id=seller, claim_id=MARKUP))
    opened(browser, pages, "/")
    assert len(listed_sellers(browser)) == 1
    assert injected(browser) == 0

    browser.find_element(By.CSS_SELECTOR, "#sellers a").click()

    wait_for_text(browser, tile("official"), "1 of 3")
    assert MARKUP in rows(browser, "#defects")[0][3]
    assert MARKUP in text_of(browser, "#figures h2")
    assert injected(browser) == 0
    assert no_script_ran(browser)
    assert console(browser) == []


def test_hidden_characters_of_an_id_are_seen(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(1, " A\u202eB\n"))
    opened(browser, pages, "/")
    assert listed_sellers(browser) == ["␣A⟨U+202E⟩B⟨U+000A⟩"]


def test_markup_where_the_worker_promises_a_word_stays_text(
    browser: Chrome, pages: LivePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = dict.fromkeys(("kind", "id", "status", "reason", "event_time"), MARKUP)
    days = {"order_date": MARKUP, "enters": MARKUP, "drops_off": MARKUP, "windows": [MARKUP]}
    defect = {"order_id": MARKUP, "marketplace": MARKUP, "channel": MARKUP, "causes": [cause], **days}
    monkeypatch.setattr(health, "defects", lambda *_: [defect])
    pages.apply(*orders(1))

    opened(browser, pages, f"/sellers/{SELLER}")

    assert text_of(browser, "#defects tbody").count("<img src=x") >= 9
    assert injected(browser) == 0
    assert no_script_ran(browser)


def test_the_browser_runs_no_script_that_is_not_the_workers_own(browser: Chrome, pages: LivePages) -> None:
    opened(browser, pages, "/")
    add = "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
    browser.execute_script(add)
    assert browser.execute_script("return window.ran") is None
    assert "Content Security Policy" in " ".join(console(browser))


ANSWERS = {
    "/": 200,
    f"/sellers/{quote(HOSTILE_IDS[1], safe='')}": 200,
    "/seller?id=..": 200,
    "/static/page.js": 200,
    "/static/../pages.py": 404,
    "/static/%2e%2e%2fpages.py": 404,
    "/readyz": 200,
    "/healthz": 200,
    "/api/sellers": 200,
    "/api/sellers?limit=0": 400,
    "/api/sellers/nobody/health": 404,
    "/nothing": 404,
}


@pytest.mark.parametrize(("path", "status"), ANSWERS.items())
def test_every_answer_carries_the_headers_that_keep_browsers_safe(pages: LivePages, path: str, status: int) -> None:
    answer = answered(pages, path)
    policy = dict(part.partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split("; "))
    assert answer.status == status
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_pages_ask_for_the_token_and_still_carry_the_headers() -> None:
    with LivePages(token="s3cret") as pages:
        answer = answered(pages, "/")
        assert answer.status == 401
        assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize("path", ["/", f"/sellers/{SELLER}"])
def test_a_phone_has_the_page_without_scrolling_sideways(browser: Chrome, pages: LivePages, path: str) -> None:
    pages.apply(*orders(30), order("o" * 128), feedback(1, "o" * 128), order("x", seller_id="S" * 128))
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, pages, path)
        width = "return document.documentElement.scrollWidth"
        assert browser.execute_script(width) == 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_browser_that_knows_the_token_has_the_page_and_its_figures(browser: Chrome) -> None:
    with LivePages(token="s3cret") as pages:
        pages.apply(*orders(1, "mine"))
        opened(browser, pages, "/", "odr:s3cret@")
        assert listed_sellers(browser) == ["mine"]
        assert console(browser) == []
