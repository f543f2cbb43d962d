"""The page in a real browser: what is seen, heard and pressed."""

import base64
import io
import time

import numpy as np
import pytest
import soundfile
from report_material import NASTY, RATE, SECONDS, TRACKS, make_data, make_estimates, save_results

from tfsep import audio, report

# The names of the versions in the report below, in its order.
REFERENCE, UNET, OTHER = 0, 1, 2


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
    wait(browser, "tfsepPlayers[0].engine.playing && tfsepPlayers[0].engine.position > 0.1")


def levels(browser):
    """Root mean square of each lane once gains have settled and the analysers have seen a whole frame."""
    text = """
        const done = arguments[arguments.length - 1], { engine } = tfsepPlayers[0];
        setTimeout(() => done(Object.fromEntries(engine.allLanes.map((lane) => [lane, engine.level(lane).rms]))), 200);
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
    assert len(browser.find_elements("css selector", "figure svg")) == 5  # two sources, two measures; and a comparison
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
    assert heard(browser) == {"vocals", "drums"}  # and not the mixture
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
        const buffer = [...engine.sources][0].buffer, sound = buffer.getChannelData(0).map(Math.abs);
        return [sound.indexOf(Math.max(...sound)) / buffer.sampleRate, buffer.duration];
        """,
    )
    assert place == pytest.approx(5000 / RATE, abs=0.002)
    assert length == pytest.approx(1.0, abs=0.2)
    peaks = script(browser, "return player.song.stems[0].peaks[0]")
    assert int(np.argmax(peaks)) / len(peaks) == pytest.approx(5000 / RATE, abs=0.002)


def test_solo_silences_the_others(browser):
    press(browser, "l")
    play(browser)
    find(browser, "[data-lane=drums] .solo").click()
    assert heard(browser) == {"drums"}
    assert find(browser, "[data-lane=drums] .solo").get_attribute("aria-pressed") == "true"
    press(browser, "t")
    assert heard(browser) == {"mixture"}
    assert find(browser, ".source label").find_element("css selector", "input").is_selected()
    find(browser, ".source label:last-of-type").click()
    find(browser, "[data-lane=drums] .solo").click()
    find(browser, "[data-lane=vocals] .mute").click()
    assert heard(browser) == {"drums"}


def test_comparing_keeps_the_position(browser):
    press(browser, "l")
    play(browser)
    before = levels(browser)
    moved, started, same = script(
        browser,
        """
        const started = engine.startedAt, before = engine.position;
        document.querySelectorAll(".versions input")[1].click();
        return [engine.position - before, engine.playing, engine.startedAt === started];
        """,
    )
    assert started and same
    assert abs(moved) < 0.02
    assert levels(browser)["vocals"] == pytest.approx(before["vocals"] * 0.05 / 0.3, rel=0.1)
    assert script(browser, "return new Set([...engine.sources].map((source) => source.buffer.length)).size") == 1
    find(browser, ".versions label:last-of-type").click()
    assert heard(browser) == {"vocals"}
    assert find(browser, "[data-lane=drums] .note").text == "no estimate"
    assert find(browser, "[data-lane=vocals] .note").text.startswith("SDR 1.")


def test_seek_by_ruler_and_waveform(browser):
    drag(browser, ".ruler", 0.5, 0.5)
    assert script(browser, "return engine.position") == pytest.approx(SECONDS / 2, abs=0.05)
    drag(browser, "[data-lane=vocals] .waves", 0.25, 0.25)
    assert script(browser, "return engine.position") == pytest.approx(SECONDS / 4, abs=0.05)
    for start, act in ((0.25, play), (0.1, lambda browser: drag(browser, ".ruler", 0.1, 0.1))):
        began = time.monotonic()
        act(browser)
        position, playing = script(browser, "return [engine.position, engine.playing]")
        assert playing
        assert -0.05 < position - start * SECONDS < time.monotonic() - began + 0.05


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
    wait(browser, "tfsepPlayers[0].engine.playing && tfsepPlayers[0].engine.position > 0.1")
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
    press(browser, "1")
    press(browser, "2", shift=True)
    assert script(browser, "return [[...engine.soloed], [...engine.muted]]") == [["vocals"], ["drums"]]
    press(browser, "cc")
    assert script(browser, "return engine.version") == OTHER
    press(browser, Keys.HOME + Keys.ARROW_RIGHT + "i" + Keys.ARROW_RIGHT + "o")
    assert script(browser, "return engine.loop") == [1, 2]
    press(browser, Keys.ARROW_DOWN + "m-x.")
    state = "[engine.gains.get('drums'), engine.ranges.get('drums'), engine.speed, engine.muted.size]"
    assert script(browser, f"return {state}") == [pytest.approx(10 ** (-1 / 20)), [[1, 2]], 1.1, 0]
    press(browser, Keys.ESCAPE)
    assert script(browser, "return engine.loop") is None
    press(browser, "s")
    picture = "[data-lane=vocals] .wave:not(.hidden) img"
    wait(browser, f"document.querySelector('{picture}').naturalWidth > 0")
    assert find(browser, picture).value_of_css_property("opacity") == "1"


def test_gains_and_muted_ranges_are_heard(browser):
    find(browser, "[data-lane=drums] .solo").click()
    play(browser)
    loud = levels(browser)["drums"]
    script(browser, "player.setDecibels(player.lanes[2], -6)")
    assert levels(browser)["drums"] == pytest.approx(loud / 2, rel=0.1)
    assert find(browser, "[data-lane=drums] .gain output").text == "\u22126 dB"
    script(browser, "engine.setLoop([1, 3]); player.refresh(); engine.seek(1)")
    find(browser, "[data-lane=drums] .mute-range").click()
    assert heard(browser) == set()
    find(browser, "[data-lane=drums] .range").click()
    assert heard(browser) == {"drums"}


def render(browser, prepare=""):
    """The left channel of the file that is saved, and its rate."""
    text = f"""
        const done = arguments[0], player = tfsepPlayers[0], {{ engine }} = player;
        {prepare}
        const reader = new FileReader();
        reader.onload = () => done(reader.result);
        player.mix((stem) => engine.gainOf(stem))
            .then((file) => reader.readAsDataURL(file), (error) => done(String(error)));
    """
    kind, _, content = browser.execute_async_script(text).partition(",")
    assert kind == "data:audio/wav;base64"
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
    return sound[:, 0], rate


def loudest_frequency(sound, rate):
    return np.abs(np.fft.rfft(sound)).argmax() * rate / len(sound)


def test_mixing_down_gives_what_is_heard(browser):
    sound, rate = render(browser, "engine.toggleSolo('drums'); engine.setGain('drums', 0.5); engine.setLoop([1, 3]);")
    assert len(sound) == 2 * rate
    assert loudest_frequency(sound, rate) == pytest.approx(500, abs=1)
    assert np.abs(sound[1000:-1000]).max() == pytest.approx(0.15, rel=0.1)
    sound, rate = render(browser, "engine.toggleRange('drums', [1.5, 2]);")
    silent = np.abs(sound[round(0.51 * rate) : round(0.99 * rate)])
    assert silent.max() == 0 and np.abs(sound[: rate // 2]).max() > 0.1


def test_another_speed_keeps_the_pitch_and_the_step_of_stems(browser):
    sound, rate = render(browser, "engine.toggleSolo('drums'); engine.setSpeed(0.5);")
    assert len(sound) == pytest.approx(2 * SECONDS * rate, abs=2)
    assert loudest_frequency(sound, rate) == pytest.approx(500, abs=2)
    parts = np.abs(sound[rate // 2 : -rate // 2].reshape(-1, rate // 10)).max(axis=1)
    assert parts.min() > 0.2  # no holes where frames overlap
    script(browser, "engine.setLoop(null); engine.toggleSolo('drums'); engine.seek(0)")
    play(browser)
    moved = browser.execute_async_script("""
        const done = arguments[0], { engine } = tfsepPlayers[0], start = engine.position, from = performance.now();
        setTimeout(() => done((engine.position - start) / (performance.now() - from) * 1000), 500);
    """)
    assert moved == pytest.approx(0.5, abs=0.06)


def test_a_long_song_joins_its_spans_from_files_beside_the_page(browser, tmp_path):
    (tmp_path / "song").mkdir()
    time = np.arange(12 * RATE) / RATE
    audio.write(tmp_path / "song" / "tone.wav", 0.3 * np.sin(2 * np.pi * 440 * time).astype("float32"), RATE)
    page = report.write_stems_page(tmp_path / "song")
    assert page.stat().st_size < 200_000
    assert {path.name for path in (tmp_path / "song" / "index-sound").iterdir()} == {"0-0.js", "0-1.js"}
    browser.get(page.as_uri())
    sound, rate = render(browser)
    assert len(sound) == 12 * rate
    wanted = 0.3 * np.sin(2 * np.pi * 440 * np.arange(len(sound)) / rate)
    assert np.abs(sound - wanted)[rate // 4 : -rate // 4].max() < 0.03  # also where two spans meet
    script(browser, "engine.seek(9.7)")
    find(browser, ".play").click()
    wait(browser, "tfsepPlayers[0].engine.position > 10.2")
    assert heard(browser) == {"tone"}
    assert find(browser, ".save").get_attribute("href").endswith("song/tone.wav")
    (tmp_path / "song" / "index-sound" / "0-0.js").unlink()
    browser.get(page.as_uri())
    find(browser, ".play").click()
    wait(browser, "document.querySelector('.status').textContent.includes('Keep the folder index-sound')")
    browser.get_log("browser")  # the file that is missing


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
    assert script(browser, "return [engine.wanted, engine.sources.size]") == [True, 6]
    find(browser, ".play").click()
    assert heard(browser) == set()
    script(browser, "engine.release(); player.playOrPause(); tfsepPlayers[1].playOrPause()")
    wait(browser, "tfsepPlayers[1].engine.playing")
    assert heard(browser) == set() and not script(browser, "return engine.playing")
    script(browser, "tfsepPlayers[1].stop()")


def test_sound_that_cannot_be_decoded_is_said(browser):
    script(browser, "document.getElementById('sound-0-0').textContent = 'AAAA'; player.playOrPause()")
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
        assert find(browser, ".solo").size["width"] >= 44 and find(browser, ".solo").size["height"] >= 44
        assert find(browser, "[data-lane=drums] .waves").size["height"] == 40
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
