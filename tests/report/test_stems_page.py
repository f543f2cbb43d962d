"""The page of stems, and the sound inside a page."""

import re
import urllib.parse

import numpy as np
import pytest
from report_material import NASTY, RATE, decode, read, tone

from tfsep import audio, report
from tfsep.report import figures, songs


@pytest.fixture
def folder(tmp_path):
    """Two songs as `tfsep separate -o` writes them."""
    for song in (NASTY, "second"):
        (tmp_path / "stems" / song).mkdir(parents=True)
        for place, stem in enumerate(("drums", "vocals", "rest")):
            audio.write(tmp_path / "stems" / song / f"{stem}.wav", tone(300 + 100 * place, 0.2), RATE)
    (tmp_path / "stems" / "empty").mkdir()
    (tmp_path / "stems" / NASTY / "waveforms.png").write_bytes(b"")
    return tmp_path / "stems"


def test_four_minutes_of_four_stems_would_take_less_than_25_mb(tmp_path):
    seconds, rate = 8, 44100
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (seconds * rate, 2)).astype("float32")
    for stem in ("mixture", "vocals", "drums", "bass", "other"):
        audio.write(tmp_path / f"{stem}.wav", noise, rate)
    page = report.write_stems_page(tmp_path)
    sound = sum(path.stat().st_size for path in (tmp_path / "index-sound").iterdir())
    # Scripts and pictures do not grow with the length.
    assert 15e6 < page.stat().st_size + 240 / seconds * sound < 25e6


def test_songs_of_a_folder(folder):
    page = report.write_stems_page(folder, seconds=2)
    assert page == folder / "index.html"
    assert "<title>Stems of 2 songs</title>" in page.read_text("utf-8")
    found, sounds = read(page)
    assert [song["name"] for song in found] == [NASTY, "second"]
    assert [stem["lane"] for stem in found[0]["stems"]] == ["vocals", "drums", "rest"]
    assert set(sounds) == {"0-0", "1-0"} and len(sounds["0-0"]) == 3
    sound, rate = sounds["0-0"][0]
    assert rate == 48000 and len(sound) == 2 * 48000
    middle = tone(400, 0.2)[RATE : 3 * RATE, 0]
    assert np.abs(sound[::6, 0] - middle)[500:-500].max() < 0.04


def test_whole_songs_beside_the_page_or_in_it(folder):
    beside = report.write_stems_page(folder / "second")
    inside = report.write_stems_page(folder / "second", folder / "inside.html", embed=True)
    assert [song["duration"] for song in read(beside)[0] + read(inside)[0]] == [4, 4]
    assert set(read(beside)[1]) == set(read(inside)[1]) == {"0-0"}
    assert not (folder / "inside-sound").exists()
    (beside.parent / "index-sound" / "0-7.js").write_text("of a longer song")
    report.write_stems_page(folder / "second", overwrite=True)
    assert [path.name for path in (beside.parent / "index-sound").iterdir()] == ["0-0.js"]


def test_the_page_names_model_day_and_tags(folder, tmp_path):
    tags = audio.Tags(title="Song & dance", artist="Nobody", date="1999-05-01")
    audio.write(tmp_path / "song.flac", tone(500), RATE, tags=tags)
    page = report.write_stems_page(folder / "second", mixtures={"second": tmp_path / "song.flac"}, model="unet <1>")
    summary = re.search(r'<p class="summary">(.*?)</p>', page.read_text("utf-8")).group(1)
    assert re.fullmatch(r"Nobody · Song &amp; dance · 1999 · 8 kHz · unet &lt;1&gt;, \d+ \w+ \d{4}", summary)
    assert read(page)[0][0]["files"]["rest"] == "rest.wav"
    page = report.write_stems_page(folder)
    assert {urllib.parse.unquote(file) for file in read(page)[0][0]["files"].values()} == {
        f"{NASTY}/{stem}.wav" for stem in ("vocals", "drums", "rest")
    }


def test_one_song_with_its_mixture(folder, tmp_path):
    audio.write(tmp_path / "song.flac", tone(500), RATE)
    page = report.write_stems_page(folder / "second", tmp_path / "a.html", mixtures={"second": tmp_path / "song.flac"})
    (song,), _ = read(page)
    assert [stem["lane"] for stem in song["stems"]] == ["mixture", "vocals", "drums", "rest"]
    assert song["stems"][0]["version"] is None
    assert "<title>Stems of second</title>" in page.read_text("utf-8")
    audio.write(folder / "second" / "mixture.wav", tone(500), RATE)
    (again,), _ = read(report.write_stems_page(folder / "second", tmp_path / "b.html"))
    assert [stem["lane"] for stem in again["stems"]] == ["mixture", "vocals", "drums", "rest"]


def test_names_are_escaped(folder):
    text = report.write_stems_page(folder / NASTY).read_text("utf-8")
    assert "<title>Stems of Ke$ha &amp; &lt;b&gt;&#34;Bob&#34;&lt;script&gt;" in text
    assert NASTY not in text and "<script> 'n'" not in text and "\\u003cscript" in text


@pytest.mark.parametrize("layout", ["{song}_({stem})_model.flac", "{song}_{stem}.wav", "{stem}/{song}.wav"])
def test_songs_of_other_programs_are_told_apart(tmp_path, layout):
    for song, frequency in (("One", 300), ("Two", 500)):
        for stem in ("Vocals", "Instrumental"):
            path = tmp_path / layout.format(song=song, stem=stem)
            path.parent.mkdir(exist_ok=True)
            audio.write(path, tone(frequency), RATE)
        audio.write(tmp_path / f"{song}.flac", tone(frequency), RATE)
    found, sounds = read(report.write_stems_page(tmp_path, seconds=0.2))
    assert [song["name"] for song in found] == ["One", "Two"]
    for song in found:
        assert [stem["lane"] for stem in song["stems"]] == ["mixture", "vocals", "instrumental"]
    assert not np.allclose(sounds["0-0"][1][0][2000:4000], sounds["1-0"][1][0][2000:4000], atol=0.1)
    assert urllib.parse.unquote(found[1]["files"]["vocals"]) == layout.format(song="Two", stem="Vocals")


def test_demucs_s_top_folder_and_two_models_in_it(tmp_path):
    for model in ("htdemucs", "mdx"):
        (tmp_path / model / "song").mkdir(parents=True)
        audio.write(tmp_path / model / "song" / "vocals.wav", tone(300), RATE)
    with pytest.raises(ValueError, match=r"two files for 'vocals' of song.*name the folder of one model"):
        report.write_stems_page(tmp_path)
    (tmp_path / "mdx" / "song" / "vocals.wav").unlink()
    assert [song["name"] for song in read(report.write_stems_page(tmp_path, seconds=0.2))[0]] == ["song"]


def test_stems_and_mixtures_of_nearly_one_length_are_completed(tmp_path, caplog):
    audio.write(tmp_path / "vocals.wav", tone(300), RATE)
    audio.write(tmp_path / "drums.wav", tone(300)[:-7], RATE)
    audio.write(tmp_path / "mixture.wav", tone(300)[:-2000], RATE)
    (song,), _ = read(report.write_stems_page(tmp_path))
    assert song["duration"] == len(tone(300)) / RATE
    assert [stem["lane"] for stem in song["stems"]] == ["mixture", "vocals", "drums"]
    audio.write(tmp_path / "mixture.wav", tone(300), 2 * RATE, overwrite=True)
    (song,), _ = read(report.write_stems_page(tmp_path, overwrite=True))
    assert [stem["lane"] for stem in song["stems"]] == ["vocals", "drums"]
    assert "mixture.wav has 16000 Hz, while" in caplog.text and "The mixture is left out." in caplog.text


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [(100, RATE, "has 100 samples, while"), (None, 11025, "has 11025 Hz, while")],
    ids=["length", "rate"],
)
def test_stems_on_two_timelines(folder, samples, rate, message):
    audio.write(folder / "second" / "vocals.wav", tone(300)[:samples], rate, overwrite=True)
    with pytest.raises(ValueError, match=r"(drums|rest)\.wav has|vocals\.wav") as error:
        report.write_stems_page(folder)
    assert "Expected one rate and one length" in str(error.value)
    audio.write(folder / "second" / "vocals.wav", tone(300), RATE, overwrite=True)
    audio.write(folder.parent / "mixture.wav", tone(300)[:samples], rate)
    with pytest.raises(ValueError, match=message):
        report.write_stems_page(folder, mixtures={"second": folder.parent / "mixture.wav"})
    assert not (folder / "index.html").exists()


def test_folders_without_stems(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        report.write_stems_page(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="empty contains no stems"):
        report.write_stems_page(folder / "empty")
    audio.write(folder / "empty" / "mixture.wav", tone(300), RATE)
    with pytest.raises(ValueError, match=r"contains no stems\. Received: mixture\.wav"):
        report.write_stems_page(folder / "empty")
    with pytest.raises(ValueError, match="has no song 'third'"):
        report.write_stems_page(folder / "second", mixtures={"third": "song.wav"})
    with pytest.raises(FileNotFoundError, match=r"song\.wav"):
        report.write_stems_page(folder / "second", mixtures={"second": "song.wav"})


def test_existing_outputs(folder):
    page = report.write_stems_page(folder)
    with pytest.raises(FileExistsError, match=r"index\.html exists"):
        report.write_stems_page(folder)
    report.write_stems_page(folder, overwrite=True, seconds=1)
    assert read(page)[0][0]["duration"] == 1
    with pytest.raises(FileExistsError, match="second is a folder"):
        report.write_stems_page(folder, folder / "second", overwrite=True)


@pytest.mark.parametrize("samples", [1, 700, 3000])
@pytest.mark.parametrize("silent", [False, True])
def test_short_and_silent_stems(tmp_path, samples, silent):
    audio.write(tmp_path / "vocals.wav", (not silent) * tone(300)[:samples], RATE)
    (song,), sounds = read(report.write_stems_page(tmp_path))
    peaks = song["stems"][0]["peaks"]
    assert song["duration"] == samples / RATE and len(peaks[0]) == len(peaks[1]) == min(samples, 2000)
    assert max(peaks[0]) == (0 if silent or samples == 1 else 100)
    assert len(sounds["0-0"][0][0]) >= 6 * samples


@pytest.mark.parametrize(("rate", "channels"), [(96000, 2), (7000, 1), (44100, 3)])
def test_any_rate_and_channels_become_opus(rate, channels):
    sound = np.repeat(tone(300), channels, axis=1)
    decoded, decoded_rate = decode(songs.opus(sound, rate))
    assert decoded_rate == 48000 and decoded.shape[1] == (channels if channels < 3 else 1)
    assert len(decoded) == pytest.approx(len(sound) * 48000 / rate, abs=960)
    assert np.abs(decoded).max() == pytest.approx(0.3, rel=0.1)


def test_an_outline_in_parts_keeps_the_peaks():
    sound = np.zeros((100_000, 2), np.float32)
    sound[50_020] = 0.5
    sound[70_030] = -0.25
    outline = songs.Outline(len(sound))
    for start in range(0, len(sound), 33_333):
        outline.add(start, sound[start : start + 33_333])
    assert outline.peak == 0.5
    high, low = outline.hundredths(0.5)
    assert high[1000] == 100 and sum(high) == 100 and len(high) == 2000
    assert low[1400] == -50 and sum(low) == -50


def test_spectrogram_shows_a_tone_where_it_is():
    decibels = figures.spectrogram(tone(1000, 1.0), RATE, 100)
    edges = np.geomspace(40, RATE / 2, 129)[::-1]
    row = decibels.mean(axis=1).argmax()
    assert edges[row + 1] <= 1010 and edges[row] >= 990
    assert decibels.shape[0] == 128 and 90 <= decibels.shape[1] <= 100
    assert decibels.max() == pytest.approx(20 * np.log10(0.5**0.5), abs=0.5)
    assert figures.picture(decibels, decibels.max()).startswith(b"\xff\xd8")


def test_the_bundled_player_is_whole():
    from importlib.resources import files

    folders = [files("tfsep.report") / name for name in ("assets", "templates")]
    assets = {path.name: path.read_text("utf-8") for folder in folders for path in folder.iterdir()}
    assert "katspaugh" in assets["wavesurfer.LICENSE.txt"]
    assert "</script" not in "".join(text for name, text in assets.items() if name.endswith(".js"))
    own = [text for name, text in assets.items() if not name.startswith("wavesurfer")]
    assert not re.search(r"https?://", "".join(own))
