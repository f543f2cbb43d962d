"""The page in a real browser, from a dropped song to saved stems."""

import re
import time
import zipfile

import pytest

import tfsep
from tfsep import audio, datasets

NAME = "Ke$ha <b>\"Bob\" 'n' song"
MODEL = "convsep-4stems"


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A real song of 6 s, half a minute of noise, and a file that is no audio."""
    folder = tmp_path_factory.mktemp("material")
    song, rate = audio.read(datasets.embedded()[0].mixture.path)
    audio.write(folder / f"{NAME}.wav", song, rate)
    (folder / "folder" / "inner").mkdir(parents=True)
    audio.write(folder / "folder" / "inner" / "song.ogg", 0.5 * song, rate)
    (folder / "folder" / "notes.txt").write_text("no audio")
    audio.write(folder / "long.wav", song.repeat(10, axis=0)[: 60 * rate], rate)
    (folder / "notes.mp3").write_text("no audio")
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of what the page saves."""
    return tmp_path_factory.mktemp("saved")


@pytest.fixture
def browser(chromium, running, saved):
    """The page without songs; in the end the console must have stayed silent."""
    running.clear()
    allow = {"behavior": "allow", "downloadPath": str(saved)}
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", allow)
    chromium.get("about:blank")
    chromium.get_log("browser")  # what other tests have left
    open_page(chromium, running)
    yield chromium
    script(chromium, "tfsepPlayers.forEach((player) => player.stop())")
    assert [entry["message"] for entry in chromium.get_log("browser")] == []


def open_page(browser, server):
    browser.get(server.address)
    wait(browser, "document.querySelectorAll('#models tr').length > 9")
    script(browser, f"document.querySelector('#models [value={MODEL}]').click()")
    script(browser, "document.getElementById('format').value = 'flac'")


def script(browser, text, *arguments):
    return browser.execute_script(text, *arguments)


def wait(browser, condition, seconds=120):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, seconds, poll_frequency=0.02).until(
        lambda browser: script(browser, f"return {condition}"), condition
    )


def find(browser, selector):
    return browser.find_element("css selector", selector)


def choose(browser, *paths):
    find(browser, "#files").send_keys("\n".join(map(str, paths)))


def states(browser):
    return script(browser, "return [...document.querySelectorAll('.item')].map((item) => item.dataset.state)")


def wait_for(browser, *expected):
    listed = ",".join(expected)
    wait(browser, f"[...document.querySelectorAll('.item')].map((item) => item.dataset.state).join() === '{listed}'")


def content(saved, name, seconds=20):
    """Waits for a saved file."""
    end = time.monotonic() + seconds
    while not (saved / name).exists():
        assert time.monotonic() < end, [path.name for path in saved.iterdir()]
        time.sleep(0.02)
    return saved / name


def test_a_song_from_upload_to_saved_stems(browser, material, saved, tmp_path):
    song = material / f"{NAME}.wav"
    choose(browser, song)
    wait_for(browser, "done")
    assert find(browser, ".item h3").text == song.name
    assert script(browser, "return document.querySelector('b b, h3 b')") is None
    wait(browser, "tfsepPlayers[0].waves !== null")
    find(browser, ".play").click()
    wait(browser, "tfsepPlayers[0].engine.position > 0.3")
    find(browser, "[data-lane=drums] .solo").click()
    wait(
        browser, "tfsepPlayers[0].engine.level('drums').rms > 1e-3 && tfsepPlayers[0].engine.level('vocals').rms < 1e-4"
    )
    script(browser, "tfsepPlayers[0].engine.setLoop([4, 4.4])")
    wait(browser, "tfsepPlayers[0].engine.position < 4.1")
    wait(browser, "tfsepPlayers[0].engine.position > 4.3")
    wait(browser, "tfsepPlayers[0].engine.position < 4.1")

    expected = tfsep.separate_file(song, tmp_path, MODEL, suffix=".flac")
    title = tfsep.files.file_name(NAME)
    find(browser, "[data-lane=drums] .save").click()
    assert content(saved, f"{title}_(drums).flac").read_bytes() == expected["drums"].read_bytes()
    find(browser, ".save-all").click()
    with zipfile.ZipFile(content(saved, f"{title}.zip")) as archive:
        assert {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()} == {
            path.name: path.read_bytes() for path in expected.values()
        }
    script(browser, "tfsepPlayers[0].setDecibels(tfsepPlayers[0].lanes[2], -6)")
    find(browser, ".save-mix").click()
    mixed, rate = audio.read(content(saved, f"{title} mix.wav"))
    drums, _ = audio.read(expected["drums"])
    assert abs(mixed - 10 ** (-6 / 20) * drums[4 * rate : round(4.4 * rate)]).max() < 1e-6
    # The server keeps the stems: the page is left without a question.
    leave = "const event = new Event('beforeunload', { cancelable: true }); return dispatchEvent(event)"
    assert script(browser, leave)


def test_songs_wait_and_fail_and_are_cancelled(browser, running, material):
    choose(browser, material / "long.wav", material / "notes.mp3", material / f"{NAME}.wav")
    wait(browser, "document.querySelector('progress')?.value > 0")
    assert states(browser) == ["running", "waiting", "waiting"]
    assert re.fullmatch(r"Separating · \d+ % · \d+ s left", find(browser, ".item-status").text)
    find(browser, ".cancel").click()
    assert browser.switch_to.active_element.accessible_name == "Try again with long.wav"
    wait_for(browser, "cancelled", "failed", "done")
    assert "Cannot be read as audio" in browser.find_elements("css selector", ".item-status")[1].text
    assert len(list(running.folder.iterdir())) == 1
    script(browser, "document.querySelectorAll('.remove')[2].click()")
    wait(browser, "tfsepPlayers.length === 0 && document.querySelectorAll('.item').length === 2")
    assert browser.switch_to.active_element.accessible_name == "Try again with notes.mp3"


def test_a_folder_is_dropped(browser, material):
    files = {"items": [], "files": [str(material / "folder"), str(material / "notes.mp3")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 200, "data": files})
    wait_for(browser, "done", "failed")
    assert [title.text for title in browser.find_elements("css selector", ".item-title h3")] == [
        "song.ogg",
        "notes.mp3",
    ]


def test_options_of_a_folder_and_a_page_that_is_loaded_again(browser, material):
    script(browser, "for (const stem of ['bass', 'other']) document.querySelector(`#stems [value=${stem}]`).click()")
    find(browser, "#residual").click()
    find(browser, "#folder").send_keys(str(material / "folder"))
    wait_for(browser, "done")
    browser.refresh()
    wait_for(browser, "done")
    assert script(browser, "return tfsepPlayers[0].engine.lanes") == ["vocals", "drums", "rest"]


def test_an_upload_is_cancelled_and_tried_again(browser, material):
    waiting = "new Promise((done, fail) => options.signal.addEventListener('abort', () => fail(options.signal.reason)))"
    script(browser, "window.plain = window.fetch")
    script(
        browser, f"window.fetch = (where, options) => options?.method === 'POST' ? {waiting} : plain(where, options)"
    )
    choose(browser, material / f"{NAME}.wav", material / "folder" / "inner" / "song.ogg")
    wait(browser, "document.querySelector('.item-status')?.textContent === 'Uploading'")
    script(browser, "window.fetch = window.plain")
    find(browser, ".cancel").click()
    wait_for(browser, "cancelled", "done")
    find(browser, ".again").click()
    wait_for(browser, "done", "done")


def test_what_cannot_be_done_is_said(browser, running, material):
    script(browser, "document.dispatchEvent(new DragEvent('drop', {dataTransfer: new DataTransfer()}))")
    wait(browser, "document.getElementById('notice').textContent.startsWith('No songs')")
    choose(browser, material / f"{NAME}.wav")
    wait_for(browser, "done")
    assert find(browser, "#notice").text == ""
    script(browser, "tfsepPlayers[0].engine.lanes.forEach((lane) => tfsepPlayers[0].engine.toggleMute(lane))")
    find(browser, ".save-mix").click()
    assert find(browser, ".status").text == "All stems are muted: there is nothing to save."
    running.clear()
    find(browser, ".save-all").click()
    wait(browser, "document.querySelector('.status').textContent.includes('no longer here')")
    choose(browser, material / "long.wav")
    wait(browser, "document.querySelectorAll('progress')[1].value > 0")
    running.clear()
    wait_for(browser, "done", "cancelled")
    browser.get_log("browser")  # the answers that were missing


def test_fits_a_phone(browser):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        find(browser, "#model summary").click()
        assert script(browser, "return document.documentElement.scrollWidth") == 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_server_that_stops_is_said(browser, short_lived, material):
    open_page(browser, short_lived)
    choose(browser, material / "long.wav")
    wait(browser, "document.querySelector('progress')?.value > 0")
    short_lived.server.should_exit = True
    wait_for(browser, "failed")
    assert "Start `tfsep web` again" in find(browser, ".item-status").text
    browser.get_log("browser")  # the answers that were missing
