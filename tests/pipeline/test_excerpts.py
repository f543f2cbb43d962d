import functools
import itertools
import os
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tfsep import audio, datasets, pipeline
from tfsep.pipeline import AUGMENTATIONS, Gain, Remix, Share, cache, excerpt_reader, prepare, windows

# Compiling takes longer than all else in these small cases, so only one test does it.
excerpts = functools.partial(pipeline.excerpts, jit_compile=False)

UNIT = 1 / cache.SCALE
ALL = ("vocals", "drums", "bass")


def arrays(dataset):
    """Return every array of every batch, the mixture first."""
    return [array.numpy() for mixture, sources in dataset for array in (mixture, *sources.values())]


def same(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def draws(batches):
    """Return song and start of every example, which the vocals of `make_songs` encode."""
    first = np.concatenate([sources["vocals"][:, 0, 0] for _, sources in batches])
    return [divmod(int(value) - 1, 1000) for value in first]


def test_batches_have_the_model_s_shape(make_songs, make_model):
    dataset = excerpts(make_songs(), make_model(channels=2, segment=8, context=3), batch_size=4)
    mixture, sources = dataset.element_spec
    assert list(sources) == ["vocals", "drums"]
    for spec in (mixture, *sources.values()):
        assert spec == tf.TensorSpec((4, 14, 2), tf.float32)
    # 5 + 4 + 7 windows
    assert dataset.cardinality() == 16 // 4
    batches = list(dataset)
    assert len(batches) == 4
    for mixture, sources in batches:
        for samples in (mixture, *sources.values()):
            assert samples.shape == (4, 14, 2)


def test_sources_of_an_excerpt_are_of_one_song_and_position(make_songs, make_model, units):
    for mixture, sources in units(excerpts(make_songs(), make_model(ALL), 5, augment=())):
        song, start = np.divmod(sources["vocals"][:, 0, 0] - 1, 1000)
        place = np.arange(8)
        np.testing.assert_array_equal(sources["vocals"][:, :, 0], 1000 * song[:, None] + start[:, None] + place + 1)
        np.testing.assert_array_equal(sources["drums"][:, :, 0], np.tile(100 * (song[:, None] + 1), 8))
        np.testing.assert_array_equal(sources["bass"][:, :, 0], np.tile(-(song[:, None] + 1), 8))
        # The mixture contains the residual of its file.
        np.testing.assert_array_equal(mixture - sum(sources.values()), np.tile(7 * (song + 1), (8, 1)).T[..., None])


def test_sources_that_the_model_lacks_stay_in_the_mixture(make_songs, make_model, units):
    for mixture, sources in units(excerpts(make_songs(), make_model(("drums",)), 5, augment=())):
        assert list(sources) == ["drums"]
        song = sources["drums"] // 100 - 1
        # Drums and residual, vocals and bass
        vocals = mixture - 107 * (song + 1) + song + 1
        np.testing.assert_array_equal((vocals - 1) // 1000, song)


def test_remixed_mixture_is_the_sum_of_the_sources_and_a_residual(make_songs, make_model, units):
    residuals, remixed = [], 0
    for mixture, sources in units(excerpts(make_songs(), make_model(ALL), 5, seed=1, augment=(Remix(1.0),))):
        songs = np.stack([sources["vocals"] // 1000, sources["drums"] // 100 - 1, -sources["bass"] - 1])[:, :, 0, 0]
        residual = mixture - sum(sources.values())
        np.testing.assert_array_equal(residual, np.broadcast_to(residual[:, :1, :1], residual.shape))
        residuals.extend(residual[:, 0, 0])
        remixed += (songs != songs[0]).any()
    assert remixed == 3
    assert set(residuals) == {7, 14, 21}


def test_scaled_mixture_is_the_sum_of_the_sources_and_a_residual(make_track, make_model):
    track = make_track("song", {"vocals": np.arange(1, 200), "drums": np.full(199, 50)}, np.arange(1, 200) + 150)
    ratios = []
    for mixture, sources in excerpts([track], make_model(), 8, augment=(Gain(0.5, 1.2),)):
        ratios.append(((mixture - sources["vocals"] - sources["drums"]).numpy() / UNIT / 100)[:, 0, 0])
        assert np.ptp(mixture - sources["vocals"] - sources["drums"], axis=(1, 2)).max() < 1e-6
        drums = sources["drums"].numpy() / UNIT / 50
        assert (drums > 0.499).all() and (drums < 1.201).all()
    ratios = np.concatenate(ratios)
    assert (ratios > 0.499).all() and (ratios < 1.201).all()
    assert np.ptp(ratios) > 0.3


def test_by_default_songs_are_remixed_and_scaled(make_songs, make_model):
    songs, model = make_songs(), make_model(ALL)
    default = arrays(excerpts(songs, model, 4))
    assert same(default, arrays(excerpts(songs, model, 4, augment=(Remix(0.7), Gain(0.5, 1.2)))))
    assert not same(default, arrays(excerpts(songs, model, 4, augment=())))


def test_same_seed_same_batches(make_songs, make_model):
    model = make_model()
    # With one song, only the positions differ.
    for songs, augment in ((make_songs(), (Remix(), Gain())), (make_songs((60,)), ())):
        first = arrays(excerpts(songs, model, 4, seed=3, augment=augment))
        assert same(first, arrays(excerpts(songs, model, 4, seed=3, augment=augment)))
        assert not same(first, arrays(excerpts(songs, model, 4, seed=4, augment=augment)))


def test_augmentations_depend_on_seed_batch_and_order(make_track, make_model):
    # All excerpts are equal, so that only the gains differ.
    track = make_track("song", {"vocals": np.full(100, 1000), "drums": np.full(100, 1000)})

    def gains(count, seed):
        batches = excerpts([track], make_model(), 2, seed=seed, augment=(Gain(),) * count)
        return np.stack([sources["vocals"][:, 0, 0] / UNIT / 1000 for _, sources in batches])

    once = gains(1, seed=0)
    assert len(np.unique(once)) == once.size
    assert (once != gains(1, seed=1)).all()
    assert (np.abs(gains(2, seed=0) - once**2) > 1e-4).all()


def test_compiled_batches_are_the_same(make_songs, make_model):
    # A window of 12 samples, long enough for the circular shift.
    songs, model = make_songs(), make_model(channels=2, segment=12)
    augment = [make(step=5) if name == "shift" else make() for name, make in AUGMENTATIONS.items()]
    plain = arrays(excerpts(songs, model, 4, augment=augment))
    compiled = arrays(excerpts(songs, model, 4, augment=augment, jit_compile=True))
    assert len(plain) == len(compiled) > 0
    for expected, batch in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(batch, expected, atol=1e-6)


def test_silent_excerpts_are_drawn_again(make_track, make_model):
    # The model's source is active in a tenth of the song, the other source throughout.
    vocals = np.where(np.arange(1000) < 100, 500, 0)
    track = make_track("song", {"vocals": vocals, "drums": np.full(1000, 500)})

    def share(model, active=None):
        batches = excerpts([track], model, 50, steps_per_epoch=8, augment=(), active=active)
        return np.mean([(sources["vocals"].numpy() != 0).any(axis=(1, 2)) for _, sources in batches])

    # Four attempts: 1 - 0.9 ** 4.
    assert 0.25 < share(make_model(("vocals",))) < 0.45
    assert share(make_model(("vocals", "drums"))) < 0.2
    assert 0.25 < share(make_model(("vocals", "drums")), active="vocals") < 0.45
    assert 0.25 < share(make_model(("vocals", "accompaniment")), active="vocals") < 0.45
    with pytest.raises(ValueError, match="active must be 'drums' or None"):
        share(make_model(("drums",)), active="vocals")


def test_silent_excerpts_of_a_silent_song_are_used(make_track, make_model, caplog):
    silent = make_track("silent", {"vocals": np.zeros(100), "drums": np.full(100, 500)})
    loud = make_track("loud", {"vocals": np.full(100, 500), "drums": np.full(100, 500)})
    vocals = [batch[1]["vocals"].numpy() for batch in excerpts([silent, loud], make_model(("vocals",)), 4, augment=())]
    assert not np.concatenate(vocals)[:, 0].all() and np.concatenate(vocals).any()
    assert caplog.messages == []


def test_sources_that_are_silent_in_all_songs_are_logged_and_refused_if_all_are(make_track, make_model, caplog):
    songs = [make_track(f"song{n}", {"vocals": np.zeros(100), "drums": np.arange(100)}) for n in range(4)]
    excerpts(songs, make_model(), 4)
    assert caplog.messages == ["vocals: silent in all tracks; the model will learn silence."]
    songs = [make_track(f"mute{n}", {"vocals": np.zeros(100), "drums": np.zeros(100)}) for n in range(4)]
    message = r"vocals, drums: silent in all tracks: .*Check the files of mute0, mute1, mute2, \.\.\.\."
    with pytest.raises(ValueError, match=message):
        excerpts(songs, make_model(), 4)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda songs: tf.data.Dataset.range(3).repeat(), r"a _?\w*Dataset that contains a \w+"),
        (lambda songs: songs[0], "a Track"),
        (lambda songs: "musdb18:/data", "a str"),
        (lambda songs: {"train": songs}, "a dict that contains a str"),
        (lambda songs: [*songs, "song"], "a list that contains a str"),
        (lambda songs: None, "a NoneType"),
    ],
)
def test_anything_but_tracks_is_refused_in_one_line(make_songs, make_model, tmp_path, make, received):
    songs, model = make_songs(), make_model()
    for call in (
        lambda tracks: excerpts(tracks, model),
        lambda tracks: windows(tracks, model),
        datasets.change_speed,
        lambda tracks: prepare({"train": tracks}, tmp_path / "store"),
    ):
        message = rf"tracks must be a corpus .*, or a list of Track\. Received: {received}\."
        with pytest.raises(ValueError, match=message) as raised:
            call(make(songs))
        assert "\n" not in str(raised.value)


def test_open_iterator_does_not_keep_the_interpreter_from_exiting(tmp_path):
    script = """
import types
from tfsep import datasets, pipeline
model = types.SimpleNamespace(sources=("vocals",), sample_rate=44100, channels=2, segment=200000, context=0)
data = pipeline.excerpts(datasets.StemsFolder("song", split=None), model, 16, steps_per_epoch=1000, jit_compile=False)
iterator = iter(data)
next(iterator)
print("done")
"""
    (tmp_path / "song" / "a").mkdir(parents=True)
    audio.write(tmp_path / "song" / "a" / "vocals.wav", np.full((400000, 2), 0.5, np.float32), 44100)
    environment = {**os.environ, "TFSEP_CACHE": str(tmp_path)}
    for _ in range(2):
        command = [sys.executable, "-c", script]
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250)
        assert (run.returncode, run.stdout) == (0, "done\n"), run.stderr


@pytest.mark.parametrize("parallel", [1, 7])
def test_batches_do_not_depend_on_the_threads(make_songs, make_model, monkeypatch, parallel):
    songs, model = make_songs(), make_model()
    expected = arrays(excerpts(songs, model, 4, steps_per_epoch=20))
    # Every third batch is late, so that batches are completed in another order.
    load, calls = excerpt_reader.ExcerptReader.load, itertools.count()

    def late(stems, places):
        time.sleep(0.01 * (next(calls) % 3 == 0))
        return load(stems, places)

    monkeypatch.setattr(excerpt_reader.ExcerptReader, "load", late)
    monkeypatch.setattr(tf.data, "AUTOTUNE", parallel)
    options = tf.data.Options()
    options.threading.private_threadpool_size = parallel
    assert same(expected, arrays(excerpts(songs, model, 4, steps_per_epoch=20).with_options(options)))


def test_every_iteration_is_the_next_epoch(make_songs, make_model):
    songs, model = make_songs(), make_model()
    dataset = excerpts(songs, model, 4, seed=5)
    epochs = [arrays(dataset) for _ in range(3)]
    assert not same(epochs[0], epochs[1])
    # A run that is resumed at the second epoch has the same batches.
    resumed = excerpts(songs, model, 4, seed=5, first_epoch=1)
    assert same(epochs[1], arrays(resumed))
    assert same(epochs[2], arrays(resumed))


def test_epochs_are_consecutive_batches(make_songs, make_model):
    songs, model = make_songs(), make_model()
    long = arrays(excerpts(songs, model, 4, steps_per_epoch=6))
    short = excerpts(songs, model, 4, steps_per_epoch=3)
    assert same(long, arrays(short) + arrays(short))


def test_keras_trains_on_consecutive_epochs(make_songs, make_model):
    import keras

    seen = []

    class Listener(keras.Model):
        def train_step(self, data):
            seen.append(data[0].numpy())
            return {"loss": tf.constant(0.0)}

    songs, model = make_songs(), make_model()
    listener = Listener()
    listener.compile(run_eagerly=True)
    listener.fit(excerpts(songs, model, 4, steps_per_epoch=3), epochs=2, shuffle=False, verbose=0)
    assert same(seen, arrays(excerpts(songs, model, 4, steps_per_epoch=6))[::3])


def test_every_position_of_every_song_is_drawn(make_songs, make_model, units):
    batches = units(excerpts(make_songs((12, 20)), make_model(), 50, augment=(), steps_per_epoch=10))
    assert set(draws(batches)) == {(0, start) for start in range(5)} | {(1, start) for start in range(13)}


def test_every_song_is_drawn_equally_often_in_changing_order(make_songs, make_model, units):
    songs = make_songs((12, 100, 9, 30, 50))
    drawn = [song for song, _ in draws(units(excerpts(songs, make_model(), 3, augment=(), steps_per_epoch=50)))]
    turns = [tuple(drawn[at : at + 5]) for at in range(0, 150, 5)]
    assert all(sorted(turn) == [0, 1, 2, 3, 4] for turn in turns)
    assert len(set(turns)) > 15
    assert set(Counter(drawn).values()) == {30}


def test_order_without_weights(make_songs, make_model, units):
    songs = make_songs((12, 100, 9, 30, 50))
    drawn = draws(units(excerpts(songs, make_model(), 5, augment=(), seed=3, steps_per_epoch=4)))
    for turn in range(4):
        order = np.random.default_rng((3, 0, turn)).permutation(5)
        assert [song for song, _ in drawn[5 * turn : 5 * turn + 5]] == list(order)


def test_weights_are_frequencies(make_songs, make_model, units):
    songs, weights = make_songs((12, 100, 9, 30, 50)), (0.3, 1.2, 0.03, 0.9, 0.57)
    batches = excerpts(songs, make_model(), 5, weights=weights, augment=(), seed=3, steps_per_epoch=200)
    drawn = [song for song, _ in draws(units(batches))]
    counts = Counter(drawn)
    # 1000 examples; a turn of five has each song as often as expected, rounded down or up.
    for song, weight in enumerate(weights):
        assert abs(counts[song] - 1000 * weight / 3) < 20
    assert all(set(Counter(drawn[at : at + 5]).values()) <= {1, 2} for at in range(0, 1000, 5))
    assert len({tuple(drawn[at : at + 5]) for at in range(0, 1000, 5)}) > 50


def test_equal_weights_draw_every_song_once_a_turn(make_songs, make_model, units):
    batches = excerpts(make_songs(), make_model(), 3, weights=(0.1, 0.1, 0.1), augment=(), steps_per_epoch=20)
    assert all(sorted(song for song, _ in draws([batch])) == [0, 1, 2] for batch in units(batches))


def test_weighted_examples_depend_on_seed_and_number_alone(make_songs, make_model):
    songs = make_songs()

    def weighted(batch_size, steps, **options):
        options = {"weights": (1, 2, 5), "seed": 3, "augment": (), **options}
        batches = arrays(excerpts(songs, make_model(), batch_size, steps_per_epoch=steps, **options))
        return [np.concatenate(batches[array::3]) for array in range(3)]

    whole = weighted(4, 6)
    assert same(whole, weighted(4, 6)) and same(whole, weighted(8, 3))
    assert same([array[12:] for array in whole], weighted(4, 3, first_epoch=1))
    assert not same(whole, weighted(4, 6, seed=4))
    assert not same(whole, weighted(4, 6, weights=None))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((1, 2), r"weights must be one for each of 3 tracks\. Received: 2\."),
        ((1, 2, 0), r"weights must be a number above 0\. Received: weights=0\."),
        ((1, 2, -1), "weights=-1"),
        ((1, 2, float("nan")), "weights=nan"),
        ((1, 2, float("inf")), "weights=inf"),
        ((1, 2, "3"), "weights='3'"),
    ],
)
def test_weights_that_are_no_frequencies_are_errors(make_songs, make_model, weights, message):
    with pytest.raises(ValueError, match=message):
        excerpts(make_songs(), make_model(), weights=weights)


def test_replicas_share_every_batch(make_songs, make_model):
    songs, model = make_songs(), make_model()

    def batches(augment=(), *share):
        share = Share(*share)
        return arrays(excerpts(songs, model, 6, seed=3, augment=augment, share=share, steps_per_epoch=3))

    def joined(parts):
        """Every batch of parts, which are mixture, vocals and drums in turn."""
        return [np.concatenate([part[place] for part in parts]) for place in range(len(parts[0]))]

    whole = batches()
    # One machine with two devices gets the batch in two parts, and two machines get one each.
    halves = batches((), 0, 2, 2)
    assert [array.shape for array in halves] == [(3, 8, 1)] * 18
    pairs = [joined([halves[step : step + 3], halves[step + 3 : step + 6]]) for step in range(0, 18, 6)]
    assert same(whole, [array for pair in pairs for array in pair])
    workers = [batches((), first, 1, 2) for first in (0, 1)]
    assert same(whole, joined(workers))
    # Remixed as a whole on one machine, and by different numbers on two.
    assert same(batches((Gain(),))[:3], joined([batches((Gain(),), 0, 2, 2)[at : at + 3] for at in (0, 3)]))
    first, second = (batches((Gain(),), first, 1, 2) for first in (0, 1))
    assert not np.isclose(first[1] / workers[0][1], second[1] / workers[1][1]).any()
    with pytest.raises(ValueError, match=r"batch_size must be a multiple of 4, the replicas\. Received: batch_size=6"):
        batches((), 0, 4, 4)


def test_default_epoch_is_as_long_as_the_audio(make_songs, make_model):
    # 40, 30 and 50 samples are 3 + 2 + 4 windows of 15.
    for batch_size, steps in ((1, 9), (2, 4), (9, 1)):
        assert excerpts(make_songs(), make_model(segment=15), batch_size).cardinality() == steps


def test_context_is_real_neighbours_and_zeros_beyond_the_ends(make_songs, make_model, units):
    (song,) = make_songs((20,))
    starts = set()
    for mixture, sources in units(excerpts([song], make_model(ALL, context=3), 4, augment=(), steps_per_epoch=25)):
        for example in range(4):
            vocals = sources["vocals"][example, :, 0]
            start = vocals[3] - 1
            places = np.arange(start - 3, start + 11)
            inside = (places >= 0) & (places < 20)
            np.testing.assert_array_equal(vocals, np.where(inside, places + 1, 0))
            np.testing.assert_array_equal(mixture[example, :, 0], np.where(inside, places + 1 + 106, 0))
            starts.add(int(start))
    # The segment itself never leaves the song.
    assert starts == set(range(13))


def test_song_shorter_than_a_segment_is_padded_with_zeros(make_songs, make_model, units):
    (batch,) = units(excerpts(make_songs((5,)), make_model(segment=8, context=2), 1, augment=()))
    np.testing.assert_array_equal(batch[1]["vocals"][0, :, 0], [0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0])


def test_song_of_one_sample(make_songs, make_model, units):
    (batch,) = units(excerpts(make_songs((1,)), make_model(segment=4), 1, augment=()))
    np.testing.assert_array_equal(batch[1]["vocals"][0, :, 0], [1, 0, 0, 0])


def test_stereo_and_mono_songs_for_a_stereo_model(make_track, make_model, units):
    left, right = np.arange(1, 41), 100 * np.arange(1, 41)
    stereo = make_track("stereo", {"vocals": np.stack([left, right], axis=1), "drums": np.zeros((40, 2))})
    mono = make_track("mono", {"vocals": left, "drums": np.zeros(40)})
    model = make_model(channels=2)
    for mixture, sources in units(excerpts([stereo], model, 2, augment=())):
        np.testing.assert_array_equal(sources["vocals"][..., 1], 100 * sources["vocals"][..., 0])
        np.testing.assert_array_equal(mixture, sources["vocals"])
    for _, sources in units(excerpts([mono], model, 2, augment=())):
        np.testing.assert_array_equal(sources["vocals"][..., 1], sources["vocals"][..., 0])


def test_songs_are_resampled_to_the_model_s_rate(make_track, make_model):
    track = make_track("song", {"vocals": np.full(400, 1000), "drums": np.zeros(400)}, sample_rate=16000)
    dataset = excerpts([track], make_model(segment=200, sample_rate=8000), 1, augment=())
    assert dataset.cardinality() == 1
    ((_, sources),) = dataset
    np.testing.assert_allclose(sources["vocals"][0, 50:-50, 0] / UNIT, 1000, atol=2)


def test_accompaniment_is_the_sum_of_the_other_stems(make_songs, make_model, units):
    for mixture, sources in units(excerpts(make_songs(), make_model(("vocals", "accompaniment")), 5, augment=())):
        song = sources["vocals"] // 1000
        np.testing.assert_array_equal(sources["accompaniment"], 99 * (song + 1))
        np.testing.assert_array_equal(mixture - sources["vocals"] - sources["accompaniment"], 7 * (song + 1))


def test_accompaniment_as_a_stem_in_some_songs_and_as_several_in_others(make_songs, make_track, make_model, units):
    karaoke = make_track("karaoke", {"vocals": np.arange(5001, 5051), "accompaniment": np.full(50, 33)})
    songs = [karaoke, *make_songs((40, 30))]
    seen = set()
    for mixture, sources in units(excerpts(songs, make_model(("vocals", "accompaniment")), 3, augment=())):
        song = sources["vocals"][:, 0, 0] // 1000
        expected = np.select([song == 5], [33], 99 * (song + 1))
        np.testing.assert_array_equal(sources["accompaniment"][:, 0, 0], expected)
        rest = (mixture - sources["vocals"] - sources["accompaniment"])[:, 0, 0]
        np.testing.assert_array_equal(rest, np.select([song == 5], [0], 7 * (song + 1)))
        seen.update(song)
    assert seen == {0, 1, 5}


@pytest.mark.parametrize("name", ["other", "rest"])
def test_other_and_rest_are_the_sum_of_the_other_stems(make_songs, make_model, units, name):
    for _, sources in units(excerpts(make_songs(), make_model(("vocals", name)), 5, augment=())):
        np.testing.assert_array_equal(sources[name], 99 * (sources["vocals"] // 1000 + 1))


def test_accompaniment_beside_lone_vocals_is_the_rest_of_the_mixture_file(make_track, make_model, units):
    """And so it is beside songs that have it as a stem."""
    voice = np.arange(1001, 1051)
    lone = make_track("lone", {"vocals": voice}, voice + 33)
    karaoke = make_track("karaoke", {"vocals": np.arange(5001, 5051), "accompaniment": np.full(50, 44)})
    for songs, found in (([lone], {1}), ([karaoke, lone], {1, 5})):
        seen = set()
        for mixture, sources in units(excerpts(songs, make_model(("vocals", "accompaniment")), 2, augment=())):
            song = sources["vocals"] // 1000
            np.testing.assert_array_equal(sources["accompaniment"], np.where(song == 1, 33, 44))
            np.testing.assert_array_equal(mixture, sources["vocals"] + sources["accompaniment"])
            seen.update(song.flatten())
        assert seen == found


def test_songs_with_different_sources(make_songs, make_track, make_model, units):
    piano = make_track("piano", {"piano": np.full(40, 500), "vocals": np.arange(7001, 7041)})
    model = make_model(("drums", "vocals"))
    seen = set()
    for mixture, sources in units(excerpts([*make_songs((40,)), piano], model, 2, augment=())):
        song = sources["vocals"] // 1000
        np.testing.assert_array_equal(sources["drums"], np.where(song == 7, 0, 100))
        np.testing.assert_array_equal(mixture - sources["vocals"], np.where(song == 7, 500, 106))
        seen.update(song.flatten())
    assert seen == {0, 7}


def test_songs_are_decoded_once(make_songs, make_model, monkeypatch):
    from tfsep.datasets import Track

    songs, model = make_songs(), make_model()
    dataset = excerpts(songs, model, 4)
    monkeypatch.setattr(Track, "read", None)
    assert same(arrays(dataset), arrays(excerpts(songs, model, 4)))


def test_batch_larger_than_the_data_is_an_error(make_songs, make_model):
    message = r"batch of 17 is larger than the data: 16 windows of 8 samples at 8000 Hz in 3 tracks.*Lower batch_size"
    with pytest.raises(ValueError, match=message):
        excerpts(make_songs(), make_model(), 17)
    # A given number of steps draws songs repeatedly.
    assert len(list(excerpts(make_songs(), make_model(), 17, steps_per_epoch=2))) == 2


def test_no_tracks_is_an_error(make_model):
    with pytest.raises(ValueError, match="no tracks"):
        excerpts([], make_model())


def test_unknown_source_is_an_error_before_any_decoding(make_songs, make_model, cache_folder):
    with pytest.raises(ValueError, match=r"'piano' in the data\. Available: vocals, drums, bass\. Tracks: "):
        excerpts(make_songs(), make_model(("vocals", "piano")))
    assert not cache_folder.exists()


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"steps_per_epoch": 0}, {"steps_per_epoch": -1}])
def test_sizes_below_one_are_errors(make_songs, make_model, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        excerpts(make_songs(), make_model(), **arguments)
