"""Who is told what, and what is not said beside something graver: the configuration, in a real Alertmanager."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.broker.harness import eventually
from tests.receiver import CONFIG, RECEIVERS, Receiver, alertmanager_config, quick
from tests.watch import Server, alertmanager, alerts, run


def test_amtool_accepts_the_configuration() -> None:
    assert "2 receivers" in run("amtool", "check-config", CONFIG)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_goes_to_those_who_can_act_on_it(alert: dict[str, Any]) -> None:
    labels = [f"{name}={value}" for name, value in {"alertname": alert["alert"], **alert["labels"]}.items()]
    wanted = RECEIVERS[alert["labels"]["scope"]]
    run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={wanted}", *labels)


def test_an_alert_that_nobody_knows_goes_to_the_operators() -> None:
    flags = (f"--config.file={CONFIG}", "--verify.receivers=operators")
    run("amtool", "config", "routes", "test", *flags, "alertname=Other", "severity=critical")


def test_every_alert_that_inhibits_is_one_that_there_is() -> None:
    names = {alert["alert"] for alert in alerts()}
    matchers = [
        matcher.partition('"')[2].rstrip('"').split("|")
        for rule in alertmanager_config()["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        if matcher.startswith("alertname")
    ]
    assert {name for found in matchers for name in found} <= names
    assert matchers


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    listening = Receiver()
    yield listening
    listening.close()


@pytest.fixture
def started(receiver: Receiver, tmp_path: Path) -> Iterator[Server]:
    with alertmanager(tmp_path / "alertmanager", quick(receiver)) as server:
        yield server


def post(server: Server, *labels: dict[str, str], ends: str | None = None) -> None:
    told = [{"labels": one, "annotations": {}, **({} if ends is None else {"endsAt": ends})} for one in labels]
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/api/v2/alerts", json.dumps(told).encode(), headers)
    urllib.request.urlopen(request, timeout=10).close()


def figure(
    name: str, severity: str, seller: str = "A2", channel: str = "MFN", window: str = "official"
) -> dict[str, str]:
    of = {"job": "odr", "seller": seller, "marketplace": "DE", "channel": channel, "window": window}
    return {"alertname": name, "severity": severity, "scope": "seller", "metric": "order_defect", **of}


NO_WORKER = {"alertname": "NoWorker", "job": "odr", "severity": "critical", "scope": "pipeline"}
PAST = "2020-01-01T00:00:00Z"


def test_of_one_figure_only_the_gravest_is_told_and_a_seller_gets_one_message(
    started: Server, receiver: Receiver
) -> None:
    post(
        started,
        figure("SellerTargetMissed", "critical"),
        figure("SellerTargetMissedAhead", "warning", window="ahead"),
        figure("SellerHeadroomGone", "warning", channel="AFN"),
        figure("SellerHeadroomGone", "warning", seller="B2"),
        figure("SellerTargetMissedLowVolume", "info", seller="B2"),
        {**figure("SellerTargetMissed", "warning", seller="B2"), "metric": "open_violations"},
        {**figure("SellerViolationCritical", "critical", seller="B2"), "metric": "open_violations"},
    )
    eventually(lambda: len(receiver.told) == 2, "two messages")
    told = {
        message["groupLabels"]["seller"]: sorted(
            (one["labels"]["alertname"], one["labels"]["channel"]) for one in message["alerts"]
        )
        for message in receiver.told
    }
    assert told == {
        "A2": [("SellerHeadroomGone", "AFN"), ("SellerTargetMissed", "MFN")],
        "B2": [("SellerHeadroomGone", "MFN"), ("SellerViolationCritical", "MFN")],
    }
    assert {message["path"] for message in receiver.told} == {"/sellers"}


def test_while_no_worker_answers_no_seller_is_told_to_be_well_again(started: Server, receiver: Receiver) -> None:
    missed = figure("SellerTargetMissed", "critical")
    post(started, missed)
    eventually(lambda: receiver.states("SellerTargetMissed") == ["firing"], "the seller is told of")
    post(started, NO_WORKER)
    eventually(lambda: receiver.states("NoWorker") == ["firing"], "the operators are told")
    assert receiver.told[-1]["path"] == "/operators"
    post(started, missed, ends=PAST)
    let_every_group_be_told(started, receiver)
    post(started, {**missed, "seller": "B2"}, {**NO_WORKER, "alertname": "PartitionsNotLive"})
    eventually(lambda: suppressed(started, "B2"), "the other seller's alert is known, and held back")
    post(started, NO_WORKER, {**NO_WORKER, "alertname": "PartitionsNotLive"}, ends=PAST)
    eventually(lambda: receiver.states("SellerTargetMissed", seller="B2") == ["firing"], "it is told when one is back")
    assert receiver.states("SellerTargetMissed", seller="A2") == ["firing"]
    assert receiver.states("PartitionsNotLive") == []


def let_every_group_be_told(server: Server, receiver: Receiver) -> None:
    """Wait until another group has been told twice: the others have had their turn, at the same intervals."""
    other = {"alertname": "DeadLetters", "job": "odr", "severity": "warning", "scope": "pipeline"}
    post(server, other)
    eventually(lambda: receiver.states("DeadLetters") == ["firing"], "another alert is told")
    post(server, other, ends=PAST)
    eventually(lambda: receiver.states("DeadLetters")[-1] == "resolved", "and that it is over")


def suppressed(server: Server, seller: str) -> bool:
    """Whether an alert of the seller is suppressed."""
    found = server.get("/api/v2/alerts", filter=f'seller="{seller}"')
    return any(alert["status"]["state"] == "suppressed" for alert in found)
