"""Time and memory of the page of examples/browser, in headless Chromium.

    python examples/browser/build.py
    python tests/benchmarks/browser_page.py [--seconds 180] [--folder examples/browser/dist] [--one-thread]

Separates the embedded song, repeated to a length, by the default model, and prints how many times faster than real
time that is, and the greatest memory of the page's process and of the browser's, which stores the stems. Needs an idle
machine, Chromium and chromedriver, and the extras test and bench.
"""

import argparse
import functools
import os
import runpy
import shutil
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
from selenium import webdriver

from tfsep import audio, datasets

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"
STATE = "return document.querySelector('.item')?.dataset.state"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--folder", type=Path, default=EXAMPLE / "dist")
    parser.add_argument("--one-thread", action="store_true", help="serve the page without headers")
    return parser.parse_args()


def memory(driver: psutil.Process) -> dict[str, float]:
    """Return the MB of the largest process of the page, and of the browser itself."""
    found = {"page": 0.0, "browser": 0.0}
    for process in driver.children(recursive=True):
        try:
            kind = next((word[7:] for word in process.cmdline() if word.startswith("--type=")), "browser")
            name = "page" if kind == "renderer" else kind
            if name in found:
                found[name] = max(found[name], process.memory_full_info().pss / 1e6)
        except psutil.Error:  # it has ended
            continue
    return found


def main() -> None:
    arguments = parse_arguments()
    handler = SimpleHTTPRequestHandler if arguments.one_thread else runpy.run_path(str(EXAMPLE / "serve.py"))["Handler"]
    handler = type("Quiet", (handler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=arguments.folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options, service = webdriver.ChromeOptions(), webdriver.ChromeService(shutil.which("chromedriver"))
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    with tempfile.TemporaryDirectory() as folder, webdriver.Chrome(options, service) as browser:
        track = datasets.embedded()[0]
        samples = round(arguments.seconds * track.sample_rate)
        song = np.resize(track.read("mixture"), (samples, 2))
        audio.write(Path(folder, "song.wav"), song, track.sample_rate, "PCM_16", clip="clamp")
        browser.get(f"http://localhost:{server.server_port}/")
        time.sleep(2)
        driver = psutil.Process(browser.service.process.pid)
        peak = before = memory(driver)
        browser.find_element("id", "files").send_keys(f"{folder}/song.wav")
        start = time.perf_counter()
        while (state := browser.execute_script(STATE)) in ("waiting", "running"):
            peak = {name: max(peak[name], now) for name, now in memory(driver).items()}
            time.sleep(0.5)
        taken = time.perf_counter() - start
    print(f"{state}: {arguments.seconds:.0f} s in {taken:.1f} s, {arguments.seconds / taken:.2f} times real time")
    for name, most in peak.items():
        print(f"{name}: {most:.0f} MB at most, {before[name]:.0f} MB before")
    print(f"load: {os.getloadavg()[1]:.1f} in five minutes on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
