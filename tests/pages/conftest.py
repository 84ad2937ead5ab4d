import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.pages.serving import LivePages

FLAGS = (
    "--headless",
    "--no-sandbox",  # CI is root in a container, where Chromium has no sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--window-size=1200,900",
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """The system's Chromium, without a window; where there is none: skipped, but in CI a failure."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        missing = "chromium and chromedriver are needed: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    with started(browser, driver, tmp_path_factory.mktemp("chromium")) as chrome:
        yield chrome


def started(browser: str, driver: str, profile: Path) -> Chrome:
    options = ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=ChromeService(driver))


@pytest.fixture
def browser(chromium: Chrome) -> Chrome:
    """The browser on an empty page, with an empty console."""
    chromium.get("about:blank")
    chromium.get_log("browser")  # type: ignore[no-untyped-call]
    return chromium


@pytest.fixture
def pages() -> Iterator[LivePages]:
    """Pages that listen, without any seller yet."""
    with LivePages() as listening:
        yield listening
