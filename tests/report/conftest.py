"""Reports to be made in a test, and the browser that opens them."""

from __future__ import annotations

import shutil

import pytest
from report_material import make_data, make_estimates, save_results


@pytest.fixture
def results(tmp_path):
    return save_results(tmp_path / "scores", "unet")


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path / "data")


@pytest.fixture
def estimates(tmp_path):
    return make_estimates(tmp_path / "estimates", 0.1)


@pytest.fixture(scope="session")
def chromium():
    """Options and service of a headless Chromium; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("chromium and chromedriver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield window
    window.quit()
