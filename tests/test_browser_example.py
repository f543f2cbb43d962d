"""The page without a server: its engine in a real browser, against the stems that Python separates."""

from __future__ import annotations

import base64
import datetime
import functools
import io
import json
import runpy
import sys
import threading
import zipfile
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

import tfsep
from tfsep import audio, datasets
from tfsep.separation import separate_blocks

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[1] / "examples" / "browser"
PRESET = "convsep-4stems"


@pytest.fixture(scope="module")
def page(tmp_path_factory, small_preset):
    """Folder of the built page, with a preset and a small mono model at another rate."""
    if not (EXAMPLE / "node_modules").is_dir():
        pytest.skip("the libraries are not installed: npm ci in examples/browser")
    folder = tmp_path_factory.mktemp("page") / "dist"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["build.py", PRESET, str(small_preset), "--output", str(folder)])
        runpy.run_path(str(EXAMPLE / "build.py"), run_name="__main__")
    return folder


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / "a song.wav"
    track = datasets.embedded()[0]
    audio.write(path, track.read("mixture"), track.sample_rate)
    return path


@contextmanager
def served(folder, handler):
    quiet = type("Quiet", (handler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def address(page):
    with served(page, runpy.run_path(str(EXAMPLE / "serve.py"))["Handler"]) as address:
        yield address


@pytest.fixture
def browser(chromium, address):
    """The page, opened anew; in the end the console must have stayed silent."""
    chromium.get("about:blank")
    chromium.get(address)
    wait(chromium, "document.querySelector('#model-name').textContent !== '…'")
    yield chromium
    messages = [entry["message"] for entry in chromium.get_log("browser")]
    # Chromium asks nobody who has not clicked, as the page would before its stems are lost, and says so.
    assert [message for message in messages if "'beforeunload' confirmation" not in message] == []


def wait(browser, condition, seconds=60):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, seconds, poll_frequency=0.05).until(
        lambda browser: browser.execute_script(f"return {condition}"), condition
    )


def call(browser, script, *arguments):
    """Return what an asynchronous function of JavaScript returns for `arguments`."""
    browser.set_script_timeout(100)
    code = "const done = arguments[arguments.length - 1]; (%s)(...arguments).then(done, (error) => done(`${error}`))"
    return browser.execute_async_script(code % script, *arguments)


def fetched(browser, address):
    """Return the bytes at an address that only the page knows."""
    text = """async (address) => {
        const reader = new FileReader();
        reader.readAsDataURL(await (await fetch(address)).blob());
        await new Promise((resolve) => (reader.onload = resolve));
        return reader.result.split(",")[1];
    }"""
    return base64.b64decode(call(browser, text, address))


def sound(content):
    return soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)


def add(browser, path, state):
    """Choose a song, and wait until it is in a state."""
    browser.find_element("id", "files").send_keys(str(path))
    wait(browser, f"[...document.querySelectorAll('.item')].at(-1)?.dataset.state === '{state}'")


def test_stems_are_those_of_python(browser, page, song):
    assert browser.execute_script("return crossOriginIsolated")
    add(browser, song, "done")
    made = browser.execute_script("return document.querySelector('.item').item.song")
    expected = tfsep.separate(song, page / "models" / f"{PRESET}.onnx")
    assert [stem["name"] for stem in made["stems"]] == list(expected)
    assert made["zip"]["filename"] == "a song.zip"
    archive = zipfile.ZipFile(io.BytesIO(fetched(browser, made["zip"]["url"])))
    assert archive.testzip() is None
    dates = [datetime.datetime(*entry.date_time) for entry in archive.infolist()]
    assert all(abs(datetime.datetime.now() - date) < datetime.timedelta(hours=1) for date in dates)
    for stem in made["stems"]:
        content = fetched(browser, stem["url"])
        estimate, rate = sound(content)
        assert rate == 44100
        np.testing.assert_allclose(estimate, expected[stem["name"]], rtol=0, atol=1e-5)
        assert stem["filename"] == f"a song_({stem['name']}).wav"
        assert archive.read(f"a song/{stem['name']}.wav") == content
        assert max(map(max, stem["peaks"])) <= 100
        assert 1900 < len(stem["peaks"][0]) <= 2001


def test_player_plays_the_stems(browser, song):
    add(browser, song, "done")
    wait(browser, "tfsepPlayers[0].waves !== null")
    browser.find_element("css selector", ".play").click()
    wait(browser, "tfsepPlayers[0].engine.position > 0.1")


def test_span_begins_earlier(browser, song):
    add(browser, song, "done")
    text = """async () => {
        const { song } = document.querySelector(".item").item;
        return [song.span, song.lead, ...(await song.sound(0)).map(({ byteLength }) => byteLength)];
    }"""
    span, lead, *sizes = call(browser, text)
    assert (span, lead) == (10, 0.1)
    assert sizes == [44 + 8 * audio.info(song).samples] * 5  # the whole song is one span


# Of the engine itself, for options that a visitor sets by hand.
SEPARATE = """async (options) => {
    const { separate } = await import("./engine.js");
    const file = document.querySelector("#files").files[0];
    const told = [];
    const { signal } = new AbortController();
    const song = await separate(file, options, { signal, progress: (facts) => told.push(facts) });
    return { ...song, told };
}"""


def test_rate_channels_and_residual_on_one_thread(chromium, page, song):
    with served(page, SimpleHTTPRequestHandler) as address:
        chromium.get(address)
        assert not chromium.execute_script("return crossOriginIsolated")
        chromium.execute_script("document.body.innerHTML = '<input type=file id=files>'")
        chromium.find_element("id", "files").send_keys(str(song))
        made = call(chromium, SEPARATE, {"model": "small", "stems": ["vocals"], "format": "wav", "residual": "rest"})
        expected = tfsep.separate(song, page / "models" / "small.onnx", stems=["vocals"], residual="rest")
        assert [stem["name"] for stem in made["stems"]] == ["vocals", "rest"]
        for stem in made["stems"]:
            np.testing.assert_allclose(
                sound(fetched(chromium, stem["url"]))[0], expected[stem["name"]], rtol=0, atol=1e-3
            )
        fractions = [facts["fraction"] for facts in made["told"] if facts["fraction"] is not None]
        assert fractions == sorted(fractions)
        assert fractions[0] == 0
        assert fractions[-1] == 1


def test_cancel_and_next_song(browser, song):
    add(browser, song, "running")
    browser.find_element("css selector", ".cancel").click()
    wait(browser, "document.querySelector('.item').dataset.state === 'cancelled'")
    add(browser, song, "done")


def test_error_in_words(browser, tmp_path):
    (tmp_path / "noise.mp3").write_bytes(bytes(range(256)) * 20)
    add(browser, tmp_path / "noise.mp3", "failed")
    assert "no audio that can be read" in browser.find_element("css selector", ".item-status").text


LEAVE = """const event = new Event("beforeunload", { cancelable: true });
    dispatchEvent(event);
    return event.defaultPrevented;"""


def test_page_asks_before_stems_are_lost(browser, song):
    assert not browser.execute_script(LEAVE)
    add(browser, song, "done")
    assert browser.execute_script(LEAVE)
    browser.find_element("css selector", ".remove").click()
    assert not browser.execute_script(LEAVE)


OPEN = """async (name, text) => {
    const { openSong } = await import("./song.js");
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return (await openSong(new File([bytes], name))).samples;
}"""


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "ogg", "m4a"])
def test_song_that_is_cut_off_is_refused(browser, tmp_path, noise, form):
    path = tmp_path / f"song.{form}"
    if form == "m4a":  # whose index comes first, as in files for the web
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("aac", rate=44100, layout="stereo")
            for samples in np.split(noise(132096).T, 129, axis=1):
                frame = av.AudioFrame.from_ndarray(samples.copy(), format="fltp", layout="stereo")
                frame.rate = 44100
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    else:
        audio.write(path, noise(132300), 44100)
    content = path.read_bytes()
    whole, half = (base64.b64encode(part).decode() for part in (content, content[: len(content) // 2]))
    assert call(browser, OPEN, path.name, whole) == pytest.approx(132300, abs=2000)
    assert f"{path.name} is cut off" in call(browser, OPEN, path.name, half)


def test_models_are_checked_before_anything_is_written(tmp_path):
    (tmp_path / "index.html").write_text("the earlier page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["build.py", PRESET, "hpss", "--output", str(tmp_path)])
        with pytest.raises(SystemExit, match="hpss has no layers to print or export"):
            runpy.run_path(str(EXAMPLE / "build.py"), run_name="__main__")
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


class Rules:
    """A model that shows which samples a window contains, with the rules of `tfsep.separation`."""

    sources, channels, batch_size, sample_rate = ("a", "b"), 2, 1, 8000

    def __init__(self, **rules):
        for name, value in rules.items():
            setattr(self, name, value)

    def separate_window(self, windows):
        centre = windows[:, self.context : self.context + self.segment]
        mean = windows.mean(axis=(1, 2), keepdims=True)
        return {"a": centre + mean, "b": centre * centre}


CUT = """async (values, sizes, rules) => {
    const { separateBlocks } = await import("./chunking.js");
    async function* blocks() {
        for (let place = 0, index = 0; place < values.length; index++) {
            const end = place + 2 * sizes[index % sizes.length];
            yield Float32Array.from(values.slice(place, end));
            place = end;
        }
    }
    const run = (window) => {
        const centre = window.slice(2 * rules.context, 2 * (rules.context + rules.segment));
        const mean = window.reduce((sum, value) => sum + value, 0) / window.length;
        return [centre.map((value) => value + mean), centre.map((value) => value * value)];
    };
    const stems = [[], []];
    for await (const parts of separateBlocks(blocks(), 2, rules, run)) {
        parts.forEach((part, index) => stems[index].push(...part));
    }
    return stems;
}"""


def test_songs_are_cut_and_joined_as_in_python(browser):
    cases = [
        {"fade": "overlap", "edges": "zeros", "segment": 46},  # whose hop of 34.5 is rounded to 34
        {"fade": "overlap", "edges": "zeros", "context": 7},
        {"fade": "triangle", "edges": "centred", "context": 4},
        {"fade": "tenth", "edges": "reflect", "overlap": 0.5},
        {"fade": "frames", "edges": "zeros", "lead": 16, "segment": 64},
    ]
    generator = np.random.default_rng(0)
    for case in cases:
        rules = {"segment": 40, "context": 0, "overlap": 0.25, "lead": 0, **case}
        for samples in (3, 39, 50, 333):
            mixture = generator.uniform(-1, 1, (samples, 2)).astype("float32")
            blocks = separate_blocks([mixture], samples, 2, Rules(**rules))
            expected = np.moveaxis(np.concatenate(list(blocks)), 1, 0).reshape(2, -1)
            made = call(browser, CUT, mixture.ravel().tolist(), [1, 30, 200], rules)
            np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6, err_msg=json.dumps([rules, samples]))


SONG = """async (values, channels, sampleRate, facts) => {
    const { separateSong } = await import("./separation.js");
    async function* blocks() {
        for (let place = 0; place < values.length; place += 300) {
            yield Float32Array.from(values.slice(place, place + 300));
        }
    }
    const run = (window) => {
        const mean = window.reduce((sum, value) => sum + value, 0) / window.length;
        return [window.map((value) => value + mean), window.map((value) => value * value)];
    };
    const stems = [[], [], [], []];
    for await (const parts of separateSong({ sampleRate, channels, blocks }, { facts, run }, ["a", "b"], "rest")) {
        parts.forEach((part, index) => stems[index].push(...part));
    }
    return stems;
}"""


@pytest.mark.parametrize(
    ("channels", "sample_rate", "facts"),
    [
        (2, 8000, {"normalize_song": True}),
        (1, 8000, {}),
        (2, 8000, {"channels": 1}),
        (2, 16000, {}),
        (1, 4000, {"normalize_song": True}),
    ],
)
def test_song_of_any_rate_and_channels_as_in_python(browser, noise, channels, sample_rate, facts):
    song = noise(3001, channels) + np.float32(0.1)
    rules = {"segment": 400, "context": 0, "overlap": 0.25, "lead": 0, "fade": "overlap", "edges": "zeros", **facts}
    expected = tfsep.separate(song, Rules(**rules), sample_rate, residual="rest")
    facts = {"channels": 2, "sample_rate": 8000, "normalize_song": False, **rules}
    mixture, *stems = call(browser, SONG, song.ravel().tolist(), channels, sample_rate, facts)
    np.testing.assert_allclose(mixture, song.ravel(), rtol=0, atol=1e-7)
    for made, name in zip(stems, expected, strict=True):
        np.testing.assert_allclose(made, expected[name].ravel(), rtol=0, atol=1e-5, err_msg=name)


RESAMPLE = """async (values, from, to) => {
    const { resample } = await import("./resampling.js");
    async function* blocks() {
        for (let place = 0; place < values.length; place += 2000) {
            yield Float32Array.from(values.slice(place, place + 2000));
        }
    }
    const parts = [];
    for await (const part of resample(blocks(), from, to, 2)) parts.push(...part);
    return parts;
}"""


@pytest.mark.parametrize(
    ("rates", "tolerance"),
    [((44100, 22050), 1e-6), ((11025, 44100), 1e-4), ((48000, 44100), 2e-3), ((44100, 16000), 2e-3)],
)
def test_resampling_is_that_of_python(browser, noise, rates, tolerance):
    mixture = noise(9001)
    expected = audio.resample(mixture, *rates)
    made = call(browser, RESAMPLE, mixture.ravel().tolist(), *rates)
    assert len(made) == expected.size
    np.testing.assert_allclose(made, expected.ravel(), rtol=0, atol=tolerance)
