"""The page in a real browser: what is seen, heard and pressed."""

import numpy as np
import pytest
from report_material import NASTY, RATE, SECONDS, TRACKS, make_data, make_estimates, save_results

from tfsep import audio, report

# The names of the versions in the report below, in its order.
TRUTH, UNET, OTHER = 0, 1, 2


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report on two models, of which the second estimates no drums."""
    root = tmp_path_factory.mktemp("report")
    first = save_results(root / "unet", "unet", measures=("SDR", "SIR"))
    second = save_results(root / "other", "<other>", shift=1.0)
    return report.write_report(
        [first, second],
        root / "page",
        tracks=[NASTY, "beta"],
        estimates={
            "unet": make_estimates(root / "a", 0.05),
            "<other>": make_estimates(root / "b", 0.2, sources=("vocals",)),
        },
        data=make_data(root / "data"),
    )


@pytest.fixture
def browser(chromium, page):
    """The report, opened anew from disk; in the end the console must have stayed silent."""
    chromium.get("about:blank")
    chromium.get(page.as_uri())
    wait(chromium, "tfsepPlayers[0].waves !== null")
    yield chromium
    assert [entry["message"] for entry in chromium.get_log("browser")] == []


def script(browser, text, *arguments):
    return browser.execute_script(f"const player = tfsepPlayers[0], {{ engine }} = player; {text}", *arguments)


def wait(browser, condition, seconds=5):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, seconds, poll_frequency=0.02).until(
        lambda browser: browser.execute_script(f"return {condition}"), condition
    )


def find(browser, selector):
    return browser.find_element("css selector", selector)


def press(browser, keys, shift=False):
    from selenium.webdriver import ActionChains, Keys

    chain = ActionChains(browser, duration=0)
    chain = chain.key_down(Keys.SHIFT).send_keys(keys).key_up(Keys.SHIFT) if shift else chain.send_keys(keys)
    chain.perform()


def play(browser):
    find(browser, ".play").click()
    wait(browser, "tfsepPlayers[0].engine.position > 0.1")


def levels(browser):
    """Root mean square of each lane once gains have settled and the analysers have seen a whole frame."""
    text = """
        const done = arguments[arguments.length - 1], { engine } = tfsepPlayers[0];
        setTimeout(() => done(Object.fromEntries(engine.lanes.map((lane) => [lane, engine.level(lane).rms]))), 200);
    """
    return browser.execute_async_script(text)


def heard(browser):
    return {lane for lane, level in levels(browser).items() if level > 1e-3}


def drag(browser, selector, start, stop):
    """Drags between two shares of an element's width."""
    from selenium.webdriver import ActionChains

    element = find(browser, selector)
    width = element.size["width"]
    chain = ActionChains(browser, duration=0)
    chain.move_to_element_with_offset(element, round((start - 0.5) * width), 0).click_and_hold()
    chain.move_to_element_with_offset(element, round((stop - 0.5) * width), 0).release().perform()


def test_opens_from_disk_and_fetches_nothing(browser):
    assert browser.current_url.startswith("file:")
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert len(browser.find_elements("css selector", "figure svg")) == 4  # two sources, two measures
    drawn = "return [...document.querySelectorAll('.song[open] .wave > div')].map((wave) => wave.offsetWidth)"
    assert min(browser.execute_script(drawn)) > 300


def test_names_are_shown_as_they_are(browser):
    assert find(browser, ".song h3").text == NASTY
    names = {cell.text for cell in browser.find_elements("css selector", ".measure:not([hidden]) tbody th a")}
    assert names == {NASTY, "beta"}
    assert find(browser, ".versions label:last-of-type").text == "<other>"
    assert browser.execute_script("return document.querySelector('b b, h3 b')") is None


def test_play_moves_the_clock_and_pause_stops_it(browser):
    play(browser)
    assert find(browser, ".play").get_attribute("aria-label") == "Pause"
    before, after = browser.execute_async_script("""
        const done = arguments[0], { engine } = tfsepPlayers[0], start = engine.position, from = performance.now();
        setTimeout(() => done([engine.position - start, (performance.now() - from) / 1000]), 500);
    """)
    assert before == pytest.approx(after, abs=0.06)
    assert heard(browser) == {"vocals", "drums"}  # the mixture is there, and muted
    find(browser, ".play").click()
    paused = script(browser, "return engine.position")
    assert heard(browser) == set()
    assert script(browser, "return engine.position") == paused
    assert float(find(browser, ".ruler").get_attribute("aria-valuenow")) == pytest.approx(paused, abs=0.06)


def test_sound_lies_where_the_outline_says(browser, tmp_path):
    """An encoder's delay would shift the sound against its waveform."""
    click = np.zeros((RATE, 1), np.float32)
    click[5000] = 0.9
    (tmp_path / "song").mkdir()
    audio.write(tmp_path / "song" / "click.wav", click, RATE)
    browser.get(report.write_stems_page(tmp_path / "song").as_uri())
    play(browser)
    place, length = script(
        browser,
        """
        const buffer = engine.channels[0].buffer, sound = buffer.getChannelData(0).map(Math.abs);
        return [sound.indexOf(Math.max(...sound)) / buffer.sampleRate, buffer.duration];
        """,
    )
    assert place == pytest.approx(5000 / RATE, abs=0.002)
    assert length == pytest.approx(1.0, abs=0.2)
    peaks = script(browser, "return player.song.stems[0].peaks[0]")
    assert int(np.argmax(peaks)) / len(peaks) == pytest.approx(5000 / RATE, abs=0.002)


def test_solo_silences_the_others(browser):
    play(browser)
    find(browser, "[data-lane=drums] .solo").click()
    assert heard(browser) == {"drums"}
    assert find(browser, "[data-lane=drums] .solo").get_attribute("aria-pressed") == "true"
    find(browser, "[data-lane=mixture] .solo").click()  # solo is stronger than mute
    assert heard(browser) == {"drums", "mixture"}
    find(browser, "[data-lane=drums] .solo").click()
    find(browser, "[data-lane=mixture] .solo").click()
    find(browser, "[data-lane=vocals] .mute").click()
    assert heard(browser) == {"drums"}


def test_comparing_keeps_the_position(browser):
    play(browser)
    truth = levels(browser)
    moved, started, same = script(
        browser,
        """
        const source = engine.channels[0].source, before = engine.position;
        document.querySelectorAll(".versions input")[1].click();
        return [engine.position - before, engine.playing, engine.channels[0].source === source];
        """,
    )
    assert started and same
    assert abs(moved) < 0.02
    assert levels(browser)["vocals"] == pytest.approx(truth["vocals"] * 0.05 / 0.3, rel=0.1)
    starts = script(browser, "return new Set(engine.channels.map((channel) => channel.source.buffer.length)).size")
    assert starts == 1
    find(browser, ".versions label:last-of-type").click()
    assert heard(browser) == {"vocals"}
    assert find(browser, "[data-lane=drums] .note").text == "no estimate"
    assert find(browser, "[data-lane=vocals] .note").text.startswith("SDR 1.")


def test_seek_by_ruler_and_waveform(browser):
    drag(browser, ".ruler", 0.5, 0.5)
    assert script(browser, "return engine.position") == pytest.approx(SECONDS / 2, abs=0.05)
    drag(browser, "[data-lane=vocals] .waves", 0.25, 0.25)
    assert script(browser, "return engine.position") == pytest.approx(SECONDS / 4, abs=0.05)
    play(browser)
    assert script(browser, "return engine.position") == pytest.approx(SECONDS / 4, abs=0.4)
    drag(browser, ".ruler", 0.75, 0.75)
    assert 0.75 * SECONDS - 0.05 < script(browser, "return engine.position") < 0.75 * SECONDS + 0.3
    assert script(browser, "return engine.playing")


def test_loop_stays_inside(browser):
    drag(browser, ".ruler", 0.8, 0.9)
    loop = script(browser, "return engine.loop")
    assert loop == pytest.approx([0.8 * SECONDS, 0.9 * SECONDS], abs=0.05)
    find(browser, ".play").click()
    wait(browser, "tfsepPlayers[0].engine.playing")
    positions = browser.execute_async_script("""
        const done = arguments[0], seen = [], { engine } = tfsepPlayers[0];
        const timer = setInterval(() => seen.push(engine.position), 20);
        setTimeout(() => { clearInterval(timer); done(seen); }, 1000);
    """)
    assert loop[0] <= min(positions) and max(positions) <= loop[1]
    assert sum(np.diff(positions) < 0) >= 2  # it went round
    assert heard(browser) == {"vocals", "drums"}  # by now a sound that does not loop has ended
    find(browser, ".loop").click()
    wait(browser, f"tfsepPlayers[0].engine.position > {loop[1] + 0.1}")


def test_stops_at_the_end_and_starts_again(browser):
    script(browser, f"engine.seek({SECONDS - 0.2})")
    find(browser, ".play").click()
    wait(browser, "tfsepPlayers[0].engine.playing")
    wait(browser, "!tfsepPlayers[0].engine.playing")
    assert script(browser, "return engine.position") == pytest.approx(SECONDS)
    find(browser, ".play").click()
    wait(browser, "tfsepPlayers[0].engine.playing")
    assert script(browser, "return engine.position") < 1


def test_keyboard(browser):
    from selenium.webdriver import Keys

    press(browser, " ")
    wait(browser, "tfsepPlayers[0].engine.position > 0.1")
    press(browser, " ")
    wait(browser, "!tfsepPlayers[0].engine.playing")
    press(browser, " ")
    wait(browser, "tfsepPlayers[0].engine.playing")
    press(browser, Keys.END)
    assert script(browser, "return [engine.position, engine.playing, engine.wanted]") == [SECONDS, False, False]
    press(browser, Keys.HOME)
    press(browser, Keys.ARROW_RIGHT)
    assert script(browser, "return engine.position") == 1
    press(browser, Keys.ARROW_RIGHT, shift=True)
    assert script(browser, "return engine.position") == SECONDS
    press(browser, "2")
    press(browser, "3", shift=True)
    assert script(browser, "return [[...engine.soloed], [...engine.muted]]") == [["vocals"], ["mixture", "drums"]]
    press(browser, "cc")
    assert script(browser, "return engine.version") == OTHER
    press(browser, Keys.HOME + Keys.ARROW_RIGHT + "i" + Keys.ARROW_RIGHT + "o")
    assert script(browser, "return engine.loop") == [1, 2]
    press(browser, Keys.ESCAPE)
    assert script(browser, "return engine.loop") is None
    press(browser, "s")
    picture = "[data-lane=vocals] .wave:not(.hidden) img"
    wait(browser, f"document.querySelector('{picture}').naturalWidth > 0")
    assert find(browser, picture).value_of_css_property("opacity") == "1"


def test_controls_with_the_focus_keep_their_keys(browser):
    script(browser, "document.querySelector('[data-lane=drums] .solo').focus()")
    press(browser, " ")
    assert script(browser, "return [[...engine.soloed], engine.playing]") == [["drums"], False]
    assert find(browser, ":focus-visible").value_of_css_property("outline-style") == "solid"
    find(browser, "[data-lane=drums] .mute").click()
    press(browser, " ")  # after a click the space bar is the player's
    wait(browser, "tfsepPlayers[0].engine.playing")
    unnamed = """return [...document.querySelectorAll("button")]
        .filter((button) => !(button.ariaLabel || button.textContent.trim())).length"""
    assert browser.execute_script(unnamed) == 0


def test_one_song_plays_at_a_time(browser):
    play(browser)
    find(browser, "#song-1 summary").click()
    wait(browser, "tfsepPlayers[1].waves !== null")
    find(browser, "#song-1 .play").click()
    wait(browser, "tfsepPlayers[1].engine.playing")
    assert not script(browser, "return engine.playing")
    find(browser, "#song-1 summary").click()
    wait(browser, "!tfsepPlayers[1].engine.playing && tfsepPlayers[1].engine.channels === null")


def test_impatient_hands_start_a_song_once(browser):
    press(browser, "   ")
    wait(browser, "tfsepPlayers[0].engine.playing")
    assert script(browser, "window.first = engine.channels[0].source; return engine.wanted")
    assert script(browser, "return engine.channels[0].source === window.first")
    find(browser, ".play").click()
    assert heard(browser) == set()
    script(browser, "engine.release(); player.playOrPause(); tfsepPlayers[1].playOrPause()")
    wait(browser, "tfsepPlayers[1].engine.playing")
    assert heard(browser) == set() and not script(browser, "return engine.playing")
    script(browser, "tfsepPlayers[1].stop()")


def test_sound_that_cannot_be_decoded_is_said(browser):
    script(browser, "document.getElementById('sound-0-2').textContent = 'AAAA'; player.playOrPause()")
    wait(browser, "tfsepPlayers[0].element.querySelector('.status').textContent.includes('could not be played')")
    assert not script(browser, "return engine.playing || engine.wanted")


def test_tables_sort(browser):
    def names():
        return [
            cell.text for cell in browser.find_elements("css selector", ".measure:not([hidden]) .sortable tbody th")
        ]

    assert names() == list(TRACKS)
    name, vocals = browser.find_elements("css selector", ".measure:not([hidden]) .sortable thead button")[:2]
    vocals.click()
    assert names() == list(TRACKS)[::-1]
    vocals.click()
    assert names() == list(TRACKS)
    name.click()
    assert names() == ["Alpha", "beta", "gamma", NASTY]
    heading = find(browser, ".measure:not([hidden]) .sortable thead th")
    assert heading.get_attribute("aria-sort") == "ascending"


def test_another_measure(browser):
    find(browser, ".choice input[value=SIR]").click()
    shown = browser.find_elements("css selector", ".measure:not([hidden]) h2")
    assert shown[0].text == "SIR over tracks"
    assert "<other>" not in find(browser, ".measure:not([hidden]) table").text


def test_fits_a_phone(browser):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
        assert find(browser, ".ruler").size["width"] > 300
        assert find(browser, ".solo").size["width"] >= 40
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
