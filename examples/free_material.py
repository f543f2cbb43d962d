"""Training material for `convsep-4stems-free`: stems from free music, voices, loops and rendered scores.

    apt-get install fluidsynth musescore-general-soundfont fretsonfire-songs-sectoid
    python examples/free_material.py everything-is-free extra material

The first two folders contain one folder a song with one file a stem: the CC0 album "Everything Is Free", and the
voices, drum loops and LMMS renders that the card of the preset names. Scores are composed at random and rendered with
MuseScore General (MIT); guitars are those of Sectoid's songs for Frets on Fire (MIT). Writes
`material/{album,rendered,mixes}`.
"""

import argparse
import struct
import subprocess
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, resample_poly, sosfiltfilt

RATE = 44100
SECONDS = 30
SOURCES = ("vocals", "drums", "bass", "other")
FONT = "/usr/share/sounds/sf3/default-GM.sf3"
GUITARS = "/usr/share/games/fretsonfire/data/songs/sectoid"
# Bass lines lie in `other` of these songs; the bass of Francium is a high synthesizer.
BASS_IN_OTHER = ("4.Potassium", "5.Rubidium", "6.Caesium", "7.Francium")
# Pieces of the album that are left out of training, and choose the epoch.
VALID = {"1.Hydrogen": (4,), "2.Lithium": (5,), "3.Sodium": (4,), "6.Caesium": (3,), "7.Francium": (2, 6)}
# Free of non-commercial and share-alike terms.
EXTRA = (
    ("lmms", "lmms-*ReggaeTry"),
    ("lmms", "lmms-*ReggaetonTry"),
    ("lmms", "lmms-*ZeroSumGame-*"),
    ("lmms", "lmms-*CPU"),
    ("loops", "loops-*"),
    ("voices", "vocals-*"),
)
SONGS = 72
MIXES = 120
PROGRESSIONS = (
    (0, 5, 3, 4), (0, 4, 5, 3), (5, 3, 0, 4), (0, 3, 4, 4), (0, 0, 3, 4), (0, 6, 5, 4), (0, 2, 3, 0), (0, 5, 1, 4),
    (0, 3, 0, 4), (0, 6, 3, 0), (0, 0, 0, 0), (5, 4, 3, 4),
)  # fmt: skip
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))
KICKS = ((0, 2), (0, 2.5), (0, 1.5, 2), (0, 1.5, 2.5), (0, 0.75, 2.25), (0, 1, 2, 3), (0, 0.5, 2, 2.5), (0, 1.75, 2.5))
BASS_RHYTHMS = (
    [i / 2 for i in range(8)], [i / 4 for i in range(16)], (0, 1, 2, 3), (0, 1.5, 2, 3.5), (0, 1.5, 3), (0, 2), (0,),
    (0.5, 1.5, 2.5, 3.5), (0, 0.75, 1.5, 2, 2.75, 3.5),
)  # fmt: skip
CHORD_PROGRAMS = (0, 1, 2, 4, 5, 6, 16, 17, 18, 24, 25, 26, 27, 28, 29, 29, 30, 30, 30, 62, 63)
PAD_PROGRAMS = (16, 18, 19, 48, 49, 50, 51, 61, 88, 89, 90, 91, 94, 95)
LEAD_PROGRAMS = (0, 4, 7, 11, 22, 26, 27, 29, 30, 40, 46, 56, 57, 65, 66, 68, 71, 73, 80, 81, 81, 84, 87, 104)


def compose(random, start):
    """Return the MIDI events `(seconds, bytes)` of a random song, for its drums, bass and other."""
    beat = 60 / random.uniform(72, 170)
    scale, key = SCALES[random.integers(3)], int(random.integers(12))
    chords = PROGRESSIONS[random.integers(len(PROGRESSIONS))]
    parts = {"drums": [], "bass": [], "other": []}

    def program(part, channel, number):
        pan = 64 if part != "other" else int(random.integers(20, 108))
        controls = ((7, 110), (10, pan), (91, int(random.integers(90))), (93, int(random.integers(40))))
        parts[part].extend((start, bytes((0xB0 | channel, *control))) for control in controls)
        parts[part].append((start, bytes((0xC0 | channel, number))))

    def note(part, channel, at, pitch, velocity, beats):
        on = start + at * beat + abs(random.normal(0, 0.006))
        off = min(on + max(beats * beat, 0.04), start + SECONDS - 0.5)
        if on < off - 0.02:
            velocity = int(np.clip(velocity + random.normal(0, 7), 25, 127))
            parts[part].append((on, bytes((0x90 | channel, pitch, velocity))))
            parts[part].append((off, bytes((0x80 | channel, pitch, 0))))

    def pitch(degree, low):
        return low + (key + scale[degree % 7] - low) % 12

    kit = random.choice((0, 0, 8, 8, 16, 16, 24, 25, 32, 40))
    program("drums", 9, int(kit))
    kick, halftime = KICKS[random.integers(len(KICKS))], random.random() < 0.2
    cymbal, step = random.choice((42, 42, 42, 46, 51)), random.choice((0.25, 0.5, 0.5, 1))
    ghost = random.random() < 0.4
    program("bass", 0, int(random.integers(32, 40)))
    rhythm, walk = BASS_RHYTHMS[random.integers(len(BASS_RHYTHMS))], random.random() * 0.5
    octave = int(random.choice((28, 28, 33, 36)))
    layers = ["chords", *random.choice(("chords", "pad", "lead", "arpeggio"), random.integers(1, 4))]
    for channel, layer in enumerate(layers):
        choices = {"pad": PAD_PROGRAMS, "chords": CHORD_PROGRAMS}.get(layer, LEAD_PROGRAMS)
        program("other", channel, int(random.choice(choices)))
    strums = [BASS_RHYTHMS[random.integers(len(BASS_RHYTHMS))] for _ in layers]

    for bar in range(int(SECONDS / beat / 4) + 1):
        at, root = 4 * bar, chords[bar % len(chords)]
        fill = bar % 4 == 3 and random.random() < 0.6
        for hit in kick:
            note("drums", 9, at + hit, 36, 110, 0.3)
        for hit in (2,) if halftime else (1, 3):
            note("drums", 9, at + hit, 38 if kit != 25 or hit == 1 else 39, 112, 0.3)
        if ghost:
            note("drums", 9, at + random.choice((0.75, 1.75, 2.25, 3.75)), 38, 50, 0.2)
        for hit in np.arange(0, 3 if fill else 4, step):
            note("drums", 9, at + hit, int(cymbal), 90 if hit % 1 == 0 else 68, 0.4)
        if fill:
            for hit in np.arange(3, 4, random.choice((0.25, 0.5))):
                note("drums", 9, at + hit, int(random.choice((38, 41, 45, 47, 50))), 105, 0.3)
        if bar % 4 == 0 and random.random() < 0.7:
            note("drums", 9, at, int(random.choice((49, 57))), 108, 2)

        for hit, following in zip(rhythm, (*rhythm[1:], 4), strict=True):
            degree = root if hit == 0 or random.random() > walk else root + int(random.choice((2, 4, 6, 0)))
            note("bass", 0, at + hit, pitch(degree, octave), 105, (following - hit) * random.uniform(0.6, 1))

        for channel, (layer, strum) in enumerate(zip(layers, strums, strict=True)):
            triad = [pitch(root + third, 50) for third in (0, 2, 4)] + [pitch(root, 40)]
            if layer == "pad":
                for tone in triad:
                    note("other", channel, at, tone, 85, 4)
            elif layer == "chords":
                for hit, following in zip(strum, (*strum[1:], 4), strict=True):
                    for tone in triad:
                        note("other", channel, at + hit, tone, 88, (following - hit) * random.uniform(0.5, 1))
            elif layer == "arpeggio":
                for index, hit in enumerate(np.arange(0, 4, 0.5)):
                    note("other", channel, at + hit, triad[index % 3] + 12, 85, 0.5)
            else:
                hit = random.choice((0, 0, 0.5, 1))
                while hit < 4 and random.random() < 0.9:
                    length = random.choice((0.5, 0.5, 1, 1, 2))
                    note("other", channel, at + hit, pitch(int(random.integers(7)), 62), 95, length)
                    hit += length
    return parts


def write_midi(path, events):
    """Write a MIDI file of one track at 960 ticks a second."""
    track, last = b"", 0
    for ticks, message in sorted((round(960 * at), message) for at, message in events):
        delta, gap = bytes((ticks - last & 127,)), ticks - last >> 7
        while gap:
            delta, gap = bytes((gap & 127 | 128,)) + delta, gap >> 7
        track, last = track + delta + message, ticks
    track += b"\0\xff\x2f\0"
    path.write_bytes(b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + track)


def render(folder, random):
    """Return `{source: [songs, samples, 2]}` of random songs, rendered with the sound font."""
    songs = [compose(random, index * SECONDS) for index in range(SONGS)]
    rendered = {}
    for source in SOURCES[1:]:
        midi, wav = folder / f"{source}.mid", folder / f"{source}.wav"
        write_midi(midi, [event for song in songs for event in song[source]])
        command = ["fluidsynth", "-niq", "-g", "0.4", "-r", str(RATE), "-F", str(wav), FONT, str(midi)]
        subprocess.run(command, check=True)
        audio = soundfile.read(wav, frames=SONGS * SECONDS * RATE, dtype="float32", fill_value=0)[0]
        rendered[source] = audio.reshape(SONGS, SECONDS * RATE, 2)
        midi.unlink(), wav.unlink()
    return rendered


def read(path):
    """Read a file as float32 stereo at 44.1 kHz."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    audio = audio[:, :2] if audio.shape[1] > 1 else np.repeat(audio, 2, axis=1)
    divisor = np.gcd(RATE, rate)
    return resample_poly(audio, RATE // divisor, rate // divisor).astype("float32") if rate != RATE else audio


def level(audio):
    """Return the root mean square over the seconds that are not silent."""
    power = np.array([np.mean(second**2) for second in np.array_split(audio, max(1, len(audio) // RATE))])
    return np.sqrt(np.mean(power[power > 1e-5])) if (power > 1e-5).any() else 1.0


def without_silence(audio):
    """Cut out what is silent for half a second."""
    blocks = audio[: len(audio) // 22050 * 22050].reshape(-1, 22050, 2)
    return blocks[np.abs(blocks).max(axis=(1, 2)) > 0.02].reshape(-1, 2)


def excerpt(audio, random, seconds=SECONDS):
    """Return `seconds` from a random place at a random speed; what is shorter is repeated."""
    speed = int(random.integers(80, 126))
    samples = seconds * RATE * speed // 100 + 2
    if len(audio) < samples:
        audio = np.tile(audio, (samples // len(audio) + 1, 1))
    start = random.integers(len(audio) - samples + 1)
    return resample_poly(audio[start : start + samples], 100, speed)[: seconds * RATE].astype("float32")


def coloured(audio, source, random):
    """Bring a stem to its level, with a random width, drive and, for a voice, reverberation."""
    audio = audio / level(audio) * 0.1
    middle = audio.mean(axis=1, keepdims=True)
    widest = {"vocals": 0.5, "drums": 1.0, "bass": 0.2, "other": 1.3}[source]
    audio = middle + random.uniform(0, widest) * (audio - middle)
    if random.random() < 0.4:
        drive = random.uniform(1, 8)
        audio = np.tanh(audio * drive)
    if source == "vocals" and random.random() < 0.5:
        decay = np.exp(-np.arange(RATE) / RATE / random.uniform(0.05, 0.3))[:, None]
        room = (random.normal(size=(RATE, 2)) * decay).astype("float32")
        room /= np.linalg.norm(room, axis=0) / random.uniform(0.1, 0.5)
        audio = audio + fftconvolve(audio, room, axes=0)[: len(audio)]
    audio = audio / level(audio) * 0.1 * 10 ** (random.uniform(-4, 4) / 20)
    return audio / max(1, np.abs(audio).max())


def write(folder, stems):
    """Write the stems of a song as 16-bit files."""
    folder.mkdir(parents=True)
    for source, audio in stems.items():
        soundfile.write(folder / f"{source}.wav", audio, RATE, subtype="PCM_16")


def album_stems(folder):
    """Return the stems of a song of the album, with bass lines out of `other`, at equal levels."""
    stems = {path.stem: read(path) for path in folder.iterdir()}
    if folder.name in BASS_IN_OTHER:
        high = stems.pop("bass", 0)
        low_cut = butter(4, 110, "highpass", fs=RATE, output="sos")
        stems["other"] = sosfiltfilt(low_cut, stems["other"], axis=0).astype("float32") + high
    return {source: np.clip(audio / level(audio) * 0.1, -1, 1) for source, audio in stems.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("album", type=Path)
    parser.add_argument("extra", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    args.output.mkdir(parents=True)
    random = np.random.default_rng(0)
    pool = {source: {"album": []} for source in SOURCES}
    for folder in sorted(args.album.iterdir()):
        stems = album_stems(folder)
        for index in range(len(stems["drums"]) // (SECONDS * RATE)):
            place = slice(index * SECONDS * RATE, (index + 1) * SECONDS * RATE)
            split = "valid" if index in VALID.get(folder.name, ()) else "train"
            piece = {source: audio[place] for source, audio in stems.items()}
            write(args.output / "album" / split / f"{folder.name}-{index}", piece)
            if split == "train":
                for source, audio in piece.items():
                    pool[source]["album"].append(without_silence(audio))
    songs = render(args.output, random)
    for source, audio in songs.items():
        pool[source]["rendered"] = [without_silence(song) for song in audio]
    for kind, pattern in EXTRA:
        for path in sorted(args.extra.glob(f"{pattern}/*")):
            audio = read(path)
            pool[path.stem].setdefault(kind, []).append(without_silence(audio / level(audio) * 0.1))
    pool["other"]["guitars"] = [without_silence(read(path)) for path in sorted(Path(GUITARS).glob("*/guitar.ogg"))]
    for source, kinds in pool.items():
        for kind, audio in kinds.items():
            kinds[kind] = np.concatenate(audio)
            print(f"{source} {kind}: {len(kinds[kind]) / RATE / 60:.1f} min", flush=True)

    def drawn(source):
        kinds = list(pool[source])
        return coloured(excerpt(pool[source][kinds[random.integers(len(kinds))]], random), source, random)

    for index in range(SONGS):
        stems = {source: coloured(audio[index], source, random) for source, audio in songs.items()}
        write(args.output / "rendered" / "train" / str(index), {"vocals": drawn("vocals"), **stems})
    for index in range(MIXES):
        write(args.output / "mixes" / "train" / str(index), {source: drawn(source) for source in SOURCES})


if __name__ == "__main__":
    main()
