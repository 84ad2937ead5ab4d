"""The account health of a seller in a real browser: each group with its figures, in words that say what they mean."""

from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from stream import health
from stream.metrics import METRICS
from tests.builders import (
    DE,
    JP,
    SELLER,
    US,
    cancelled,
    claim,
    feedback,
    message,
    order,
    shipment,
    violation,
)
from tests.pages.serving import LivePages
from tests.pages.test_hostile_text import HOSTILE, assert_only_text
from tests.pages.test_live_page import console, opened, orders, text_of, wait_for, wait_for_text
from tests.recount import InputEvent

MARKUP = "<img src=x onerror=alert(1)>"
SHIP_BY = "2026-10-15T12:00:00Z"
PAGE = f"/sellers/{SELLER}"


def shipped(number: int, late: int = 0, untracked: int = 0, undelivered: int = 0) -> list[InputEvent]:
    """Orders o0, o1, ... with a package each; the first ones are late, without a scan, not delivered."""
    known = [order(f"o{at}", latest_ship_date=SHIP_BY) for at in range(number)]
    return known + [
        package(at, late=at < late, scanned=at >= untracked, there=at >= undelivered) for at in range(number)
    ]


def package(at: int, *, late: bool, scanned: bool = True, there: bool = True) -> InputEvent:
    known = {"first_scan_at": scanned, "delivered_at": there}
    moments: dict[str, Any] = {name: None for name, is_known in known.items() if not is_known}
    return shipment(f"o{at}", confirmed_at="2026-10-15T12:00:01Z" if late else SHIP_BY, **moments)


def messages(number: int, unanswered: int = 0) -> list[InputEvent]:
    answers = [None if at < unanswered else "2026-10-30T15:00:00Z" for at in range(number)]
    return [message(answer, f"m{at}") for at, answer in enumerate(answers)]


def told(browser: Chrome, metric: str, window: str = "") -> str:
    """All that is written on the tile of a metric, or only on its reading of one window, on one line."""
    inside = f" [data-window='{window}']" if window else ""
    return " ".join(text_of(browser, f"[data-metric={metric}]{inside}").split())


def groups(browser: Chrome) -> dict[str, list[str]]:
    """The metrics of each group, as their names are written."""
    return {
        group.find_element(By.TAG_NAME, "h3").text: [name.text for name in group.find_elements(By.TAG_NAME, "h4")]
        for group in browser.find_elements(By.CSS_SELECTOR, "[data-group]")
    }


def glance(browser: Chrome) -> list[str]:
    return [line.text for line in browser.find_elements(By.CSS_SELECTOR, ".glance li")]


def test_every_metric_of_the_products_table_has_its_words_and_its_group(browser: Chrome, pages: LivePages) -> None:
    opened(browser, pages, "/")
    read = (
        "const done = arguments[0]; import('/static/metrics.js').then(({METRICS, GROUPS}) => "
        "done([Object.fromEntries(METRICS), GROUPS.flatMap(([, metrics]) => metrics)]))"
    )
    words, grouped = browser.execute_async_script(read)
    assert set(words) == set(grouped) == {metric.name for metric in METRICS}
    assert len(grouped) == len(set(grouped))
    for metric in METRICS:
        asked = {"name", "counted", "days", "meaning"}
        asked |= {"failure", "none"} if metric.target else set()
        asked |= {"of"} if metric.denominator else set()
        assert asked <= {name for name, word in words[metric.name].items() if word}, metric.name
        assert words[metric.name].get("byChannel", False) == metric.by_channel


def test_account_health_is_grouped_as_amazon_groups_it(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*shipped(3))

    opened(browser, pages, PAGE)

    assert groups(browser) == {
        "Customer service performance": ["Order defect rate · MFN shipped by the seller"],
        "Shipping performance · MFN shipped by the seller": [
            "Late shipment",
            "Cancellation",
            "Valid tracking",
            "On-time delivery",
        ],
        "Customer communication": ["Contact response"],
        "Policy compliance": ["Open violations"],
        "Feedback received": ["Negative feedback received"],
    }
    assert console(browser) == []


def test_a_figure_that_is_good_says_how_much_room_is_left(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*shipped(430, late=12), *messages(30, unanswered=1))

    opened(browser, pages, PAGE)

    late = told(browser, "late_shipment")
    assert late.startswith("Late shipment Target: under 4 % 30 days 2.79 % ✓ Good Late 12 of 430 orders")
    assert "Headroom 5 more late shipments fit Confirmed 2026-10-05 to 2026-11-03" in late
    assert "Low volume" not in late
    tracking = told(browser, "valid_tracking")
    assert "Target: over 95 %" in tracking
    assert "100.00 % ✓ Good Tracked 430 of 430 packages" in tracking
    assert "21 more packages without valid tracking fit Promised for 2026-09-25 to 2026-10-24" in tracking
    on_time = told(browser, "on_time_delivery")
    assert "Target: over 90 % 14 days 100.00 % ✓ Good On time 430 of 430 packages" in on_time
    assert "42 more late deliveries fit" in on_time
    answered = told(browser, "contact_response", "7d")
    assert answered.startswith("7 days 96.67 % ✓ Good Answered in time 29 of 30 messages")
    assert "2 more late answers fit" in answered
    assert "Received 2026-10-26 to 2026-11-01" in answered
    assert told(browser, "contact_response", "90d").startswith("90 days 96.67 %")
    assert "Target: none open 180 days None open ✓ Good" in told(browser, "open_violations")
    assert "Headroom" not in told(browser, "open_violations")


def test_a_figure_at_risk_says_that_one_more_misses_the_target(browser: Chrome, pages: LivePages) -> None:
    pages.apply(cancelled("seller"), *(order(f"d{at}", "2026-10-30T12:00:00Z") for at in range(59)))
    pages.apply(*messages(20, unanswered=2))

    opened(browser, pages, PAGE)

    cancellation = told(browser, "cancellation")
    assert "Target: under 2.5 % 7 days 1.67 % ▲ At risk Cancelled 1 of 60 orders" in cancellation
    assert "none: one more cancelled order misses the target" in cancellation
    assert "at least 90 %" in told(browser, "contact_response")
    assert "90.00 % ▲ At risk Answered in time 18 of 20 messages" in told(browser, "contact_response", "7d")
    assert glance(browser)[0] == "▲ At risk Cancellation, Contact response"


def test_a_figure_that_is_missed_says_by_how_many(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*shipped(100, late=4, untracked=7, undelivered=20), violation(), violation(violation_id="V-2"))
    pages.apply(*messages(50, unanswered=6))

    opened(browser, pages, PAGE)

    late = told(browser, "late_shipment", "30d")
    assert late.startswith("30 days 4.00 % ✕ Missed Late 4 of 100 orders Headroom 1 late shipment too many")
    tracking = told(browser, "valid_tracking")
    assert "93.00 % ✕ Missed Tracked 93 of 100 packages" in tracking
    assert "3 packages without valid tracking too many" in tracking
    assert "86.02 % ✕ Missed On time 80 of 93 packages" in told(browser, "on_time_delivery")
    assert "1 late answer too many" in told(browser, "contact_response", "30d")
    violations = told(browser, "open_violations")
    assert "2 open ✕ Missed Headroom 2 open violations too many Detected 2026-05-08 to 2026-11-03" in violations
    assert glance(browser)[0] == (
        "✕ Missed Late shipment, Valid tracking, On-time delivery, Contact response, Open violations"
    )


def test_what_has_no_data_says_so_and_has_no_share(browser: Chrome, pages: LivePages) -> None:
    pages.apply(order(purchased="2026-06-01T12:00:00Z"))

    opened(browser, pages, PAGE)

    defects = " ".join(text_of(browser, "[data-window=official]").split())
    assert defects.startswith("Official No orders – No data Target under 1 % Order dates 2026-08-21 to 2026-10-19")
    assert "10 days No orders shipped – No data Confirmed 2026-10-25 to 2026-11-03" in told(browser, "late_shipment")
    assert "No orders – No data" in told(browser, "cancellation")
    assert "No packages – No data" in told(browser, "valid_tracking")
    assert "No tracked packages – No data" in told(browser, "on_time_delivery")
    assert told(browser, "contact_response").count("No messages – No data") == 3
    assert "No target 30 days No feedback Received" in told(browser, "feedback_received_negative")
    assert "0.00 %" not in text_of(browser, ".groups")
    assert "Low volume" not in text_of(browser, ".groups")
    assert "Headroom" not in text_of(browser, ".groups")
    assert glance(browser)[-1].startswith("– No data Order defect rate (MFN), Late shipment, Cancellation")


def test_low_volume_is_told_with_what_the_true_share_may_be(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*shipped(5, late=1))

    opened(browser, pages, PAGE)

    late = told(browser, "late_shipment", "30d")
    assert "20.00 % ✕ Missed ◔ Low volume Late 1 of 5 orders" in late
    assert "Low volume too few to tell: the true share may be 3.62 % to 62.45 %" in late
    assert "100.00 % ✓ Good ◔ Low volume" in told(browser, "valid_tracking")


def test_feedback_received_has_no_target_and_no_verdict(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(4), feedback(1, "o1"), *(feedback(5, f"o{at}") for at in (2, 3, 4)))

    opened(browser, pages, PAGE)

    assert "No target 30 days 25.00 % 1 or 2 stars 1 of 4 ratings Received" in told(
        browser, "feedback_received_negative"
    )
    for word in ("Good", "Missed", "At risk", "Headroom", "Low volume"):
        assert word not in told(browser, "feedback_received_negative")


def test_a_late_shipment_turns_its_figure_while_one_looks(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*shipped(100, late=3))
    opened(browser, pages, PAGE)
    assert "3.00 % ▲ At risk" in told(browser, "late_shipment", "30d")

    pages.apply(package(3, late=True))

    wait_for_text(browser, "[data-metric=late_shipment] [data-window='30d']", "4 of 100 orders")
    assert "4.00 % ✕ Missed" in told(browser, "late_shipment", "30d")
    moved = text_of(browser, "#moved")
    assert moved.endswith(". Amazon.com, late shipment, 30 days: 3 of 100 → 4 of 100 orders, now missed")
    assert glance(browser)[0] == "✕ Missed Late shipment"

    pages.apply(package(3, late=False))

    wait_for_text(browser, "#moved", "4 of 100 → 3 of 100 orders, now at risk")


def test_a_violation_moves_the_page_and_its_resolution_moves_it_back(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(1))
    opened(browser, pages, PAGE)

    pages.apply(violation())

    wait_for_text(browser, "[data-metric=open_violations]", "1 open")
    wait_for_text(browser, "#moved", "Amazon.com, open violations, 180 days: 0 → 1, now missed")

    pages.apply(violation("resolved"))

    wait_for_text(browser, "[data-metric=open_violations]", "None open")


def test_each_marketplace_has_its_own_health_the_worst_first(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*(order(f"d{at}", marketplace_id=DE) for at in range(300)), *orders(150), claim("pending", "o1"))
    pages.apply(message(marketplace_id=JP), violation("resolved", marketplace_id="X"))

    opened(browser, pages, PAGE)

    links = browser.find_elements(By.CSS_SELECTOR, ".places li")
    assert [link.text for link in links] == [
        f"Amazon.co.jp {JP} ✕ Missed",
        f"Amazon.com {US} ▲ At risk",
        f"Amazon.de {DE} ✓ Good",
        "X – No data",
    ]
    titles = [title.text for title in browser.find_elements(By.CSS_SELECTOR, "#figures h2")]
    assert titles == [f"Amazon.co.jp {JP}", f"Amazon.com {US}", f"Amazon.de {DE}", "X"]
    assert "No order of this marketplace is kept yet." in text_of(browser, "#place-1")
    assert "0.00 % ✕ Missed" in " ".join(text_of(browser, "#place-1 [data-metric=contact_response]").split())

    browser.find_element(By.LINK_TEXT, f"Amazon.de {DE}").send_keys(Keys.ENTER)

    title = "return document.querySelector('#place-3 h2').getBoundingClientRect().top"
    wait_for(browser, lambda: 0 <= browser.execute_script(title) < 100, "the link leads nowhere")


def test_both_channels_have_their_own_order_defect_rate(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*orders(4), *(order(f"a{at}", channel="AFN") for at in range(2)), claim("pending", "a1"))

    opened(browser, pages, PAGE)

    assert "1 of 2 orders" in text_of(browser, "[data-channel=AFN][data-window=official]")
    assert "0 of 4 orders" in text_of(browser, "[data-channel=MFN][data-window=official]")
    assert glance(browser)[0] == "✕ Missed Order defect rate (AFN)"
    assert len(browser.find_elements(By.CSS_SELECTOR, ".forecast")) == 2


def test_a_metric_that_the_page_does_not_know_is_shown_by_its_own_name(
    browser: Chrome, pages: LivePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = {"from": "2026-10-05", "to": "2026-11-03", "window": "30d", "marketplace": DE, "channel": None}
    judged = {"target": 0.05, "condition": "less_than", "verdict": "at_risk", "low_volume": False, "headroom": 0}
    counts = {"numerator": 9, "denominator": 200, "ratio": 0.045, "interval": [0.02, 0.08]}
    monkeypatch.setattr(health, "figures", lambda *_: [{"metric": "invoice_defect", **period, **judged, **counts}])
    pages.apply(*orders(1))

    opened(browser, pages, PAGE)

    invoices = told(browser, "invoice_defect")
    assert groups(browser)["Other figures"] == ["invoice defect"]
    assert "Target: under 5 % 30 days 4.50 % ▲ At risk Count 9 of 200" in invoices


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_in_a_violation_does_nothing(browser: Chrome, pages: LivePages, text: str) -> None:
    own = {"marketplace_id": text, "violation_id": text, "category": text}
    pages.apply(*orders(1), violation(**own), message(marketplace_id=text, message_id=text))

    opened(browser, pages, PAGE)

    assert "1 open" in text_of(browser, "#place-1 [data-metric=open_violations]")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".places li")) == 2
    assert_only_text(browser)
    assert console(browser) == []


def test_markup_where_the_worker_promises_a_name_stays_text(
    browser: Chrome, pages: LivePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("metric", "marketplace", "channel", "window", "from", "to", "condition", "verdict")
    counts = {"numerator": 1, "denominator": 2, "ratio": 0.5, "interval": [0.1, 0.9], "target": 0.1, "headroom": -1}
    figure = {**dict.fromkeys(words, MARKUP), **counts, "low_volume": True}
    monkeypatch.setattr(health, "figures", lambda *_: [figure, {**figure, "metric": "order_defect"}])
    pages.apply(*orders(1))

    opened(browser, pages, PAGE)

    assert text_of(browser, ".groups").count("<img src=x") >= 9
    assert_only_text(browser)


def test_a_phone_has_all_groups_without_scrolling_sideways(browser: Chrome, pages: LivePages) -> None:
    pages.apply(*shipped(5, late=1), *messages(3, unanswered=2), violation(), feedback(1, "o1"))
    size = {"width": 320, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, pages, PAGE)
        assert browser.execute_script("return document.documentElement.scrollWidth") == 320
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
