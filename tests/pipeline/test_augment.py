import numpy as np
import pytest
import tensorflow as tf

from tfsep.pipeline import AUGMENTATIONS, Gain, Remix, excerpts
from tfsep.pipeline.augment import Equalize, Formants, Mute, Polarity, Ratio, Shift, Swap

BATCH, SOURCES = 6, 4


@pytest.fixture
def stems():
    """Each sample is 100 * source + example."""
    values = np.arange(BATCH)[:, np.newaxis] + 100 * np.arange(SOURCES)
    return np.broadcast_to(values[:, :, np.newaxis, np.newaxis], (BATCH, SOURCES, 5, 2)).astype(np.float32)


def augment(augmentation, stems, seed=0):
    return augmentation(tf.constant(stems), tf.constant([seed, 1], tf.int32)).numpy()


@pytest.mark.parametrize("seed", range(5))
def test_remix_takes_every_source_from_another_example(stems, seed):
    mixed = augment(Remix(1.0), stems, seed)
    np.testing.assert_array_equal(mixed, np.broadcast_to(mixed[:, :, :1, :1], mixed.shape))
    source, example = np.divmod(mixed[:, :, 0, 0].astype(int), 100)
    np.testing.assert_array_equal(source, np.broadcast_to(np.arange(SOURCES), source.shape))
    assert (example != np.arange(BATCH)[:, np.newaxis]).all()
    # No example is lost, so that every source is used equally often.
    np.testing.assert_array_equal(np.sort(example, axis=0), np.broadcast_to(np.arange(BATCH)[:, None], example.shape))


def test_remix_takes_the_sources_from_different_examples(stems):
    shifts = []
    for seed in range(20):
        example = augment(Remix(1.0), stems, seed)[0, :, 0, 0] % 100
        shifts.append(tuple(example))
    assert {shift for row in shifts for shift in row} == set(range(1, BATCH))
    assert sum(len(set(row)) > 1 for row in shifts) >= 15
    assert len(set(shifts)) >= 15


def test_remix_changes_only_its_share_of_the_examples(stems):
    np.testing.assert_array_equal(augment(Remix(0.0), stems), stems)
    remixed = 0
    for seed in range(100):
        mixed = augment(Remix(0.7), stems, seed)
        moved = (mixed != stems).any(axis=(2, 3))
        # An example is remixed with all of its sources or with none.
        assert (moved.all(axis=1) | ~moved.any(axis=1)).all()
        remixed += moved[:, 0].sum()
    assert 0.63 < remixed / (100 * BATCH) < 0.77


def test_remix_of_one_example_is_itself(stems):
    np.testing.assert_array_equal(augment(Remix(1.0), stems[:1]), stems[:1])


def test_gain_is_one_number_for_each_source_of_each_example():
    ones = np.ones((200, SOURCES, 5, 2), np.float32)
    gains = augment(Gain(0.5, 1.2), ones)
    np.testing.assert_array_equal(gains, np.broadcast_to(gains[:, :, :1, :1], gains.shape))
    gains = gains[:, :, 0, 0]
    assert len(np.unique(gains)) > 0.99 * gains.size
    assert 0.5 <= gains.min() < 0.52
    assert 1.18 < gains.max() < 1.2
    assert abs(gains.mean() - 0.85) < 0.03


def test_gain_scales(stems):
    np.testing.assert_allclose(augment(Gain(2.0, 2.0), stems), 2 * stems)
    np.testing.assert_array_equal(augment(Gain(1.0, 1.0), stems), stems)


@pytest.mark.parametrize("samples", [500, 501])
def test_equalize_scales_each_frequency_by_a_smooth_gain(samples):
    generator = np.random.default_rng(0)
    stems = generator.normal(size=(3, SOURCES, samples, 2)).astype(np.float32)
    found = augment(Equalize(6.0, 4), stems)
    assert found.shape == stems.shape
    response = np.fft.rfft(found, axis=2) / np.fft.rfft(stems, axis=2)
    # The phase stays, and both channels of a source have the same gains.
    np.testing.assert_allclose(response.imag, 0, atol=1e-2)
    np.testing.assert_allclose(response[..., 0].real, response[..., 1].real, atol=1e-2)
    gains = 20 * np.log10(response[..., 0].real)
    assert np.abs(gains).max() < 6.05
    assert np.unique(np.round(gains[:, :, 20], 2)).size == gains[:, :, 20].size
    # Linear between four points.
    bins = gains.shape[2]
    for part in range(3):
        inside = gains[:, :, -(-part * (bins - 1) // 3) : (part + 1) * (bins - 1) // 3 + 1]
        np.testing.assert_allclose(np.diff(inside, 2, axis=2), 0, atol=0.05)


def test_equalize_by_nothing(stems):
    np.testing.assert_allclose(augment(Equalize(0.0), stems), stems, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("arguments", [{"decibels": -1.0}, {"points": 1}])
def test_equalize_refuses(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must"):
        Equalize(**arguments)


@pytest.mark.parametrize("augmentation", [Remix(0.5), Gain(), Equalize()])
def test_results_depend_on_the_seed(stems, augmentation):
    stems = stems + 1
    np.testing.assert_array_equal(augment(augmentation, stems, 3), augment(augmentation, stems, 3))
    assert any((augment(augmentation, stems, seed) != augment(augmentation, stems, 3)).any() for seed in range(3))


def test_arguments_out_of_range_are_errors():
    with pytest.raises(ValueError, match=r"probability=1\.1"):
        Remix(1.1)
    with pytest.raises(ValueError, match=r"probability=-0\.1"):
        Remix(-0.1)
    with pytest.raises(ValueError, match="low=2, high=1"):
        Gain(2, 1)
    with pytest.raises(ValueError, match="low=-1"):
        Gain(-1, 1)


SEEDS = range(10)
NEUTRAL = {
    "remix": Remix(0.0),
    "gain": Gain(1.0, 1.0),
    "shift": Shift(1000),
    "mute": Mute(0.0),
    "swap": Swap(0.0),
    "polarity": Polarity(0.0),
}
# With arguments by which each changes every batch.
ACTIVE = {
    "remix": Remix(1.0),
    "gain": Gain(),
    "ratio": Ratio(),
    "shift": Shift(2),
    "mute": Mute(0.6),
    "swap": Swap(),
    "polarity": Polarity(),
    "equalize": Equalize(),
    "formants": Formants(),
}


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(BATCH, SOURCES, 9, 2)).astype(np.float32)


def test_every_augmentation_has_a_test_here():
    assert set(ACTIVE) == set(AUGMENTATIONS)
    assert all(type(augmentation) is AUGMENTATIONS[name] for name, augmentation in ACTIVE.items())


@pytest.mark.parametrize("name", ACTIVE)
def test_each_depends_on_the_seed(noise, name):
    results = [augment(ACTIVE[name], noise, seed) for seed in SEEDS]
    for seed, result in zip(SEEDS, results, strict=True):
        np.testing.assert_array_equal(augment(ACTIVE[name], noise, seed), result)
        assert result.shape == noise.shape and result.dtype == np.float32
        assert (result != noise).any()
    assert sum((results[0] != result).any() for result in results) == len(results) - 1


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("batch", [1, BATCH])
def test_each_gives_the_same_compiled(noise, name, batch):
    compiled = tf.function(ACTIVE[name], jit_compile=True)
    for seed in range(3):
        result = compiled(tf.constant(noise[:batch]), tf.constant([seed, 1], tf.int32)).numpy()
        rounding = {"equalize": 1e-6, "formants": 1e-5}.get(name, 1e-7)  # Fourier transforms there and back
        np.testing.assert_allclose(result, augment(ACTIVE[name], noise[:batch], seed), rtol=1e-6, atol=rounding)


@pytest.mark.parametrize("name", ACTIVE)
def test_each_draws_independently_for_every_example(noise, name):
    # If a draw were shared by the batch, equal examples would stay equal. Remix exchanges equal ones.
    if name != "remix":
        equal = np.broadcast_to(noise[:1], noise.shape)
        assert any((result != result[:1]).any() for result in (augment(ACTIVE[name], equal, seed) for seed in range(3)))


@pytest.mark.parametrize("name", NEUTRAL)
def test_neutral_arguments_change_nothing(noise, name):
    np.testing.assert_array_equal(augment(NEUTRAL[name], noise), noise)


def test_ratio_weighs_the_first_against_the_others():
    ones = np.ones((2000, SOURCES, 3, 2), np.float32)
    weights = augment(Ratio(), ones)
    np.testing.assert_array_equal(weights, np.broadcast_to(weights[:, :, :1, :1], weights.shape))
    weights = weights[:, :, 0, 0]
    np.testing.assert_allclose(weights[:, 0], 1 - weights[:, 1], atol=1e-6)
    # The residual has the weight of the others.
    np.testing.assert_array_equal(weights[:, 1:], np.broadcast_to(weights[:, 1:2], (2000, SOURCES - 1)))
    assert 0 <= weights.min() < 0.01 and 0.99 < weights.max() <= 1
    assert abs(weights[:, 1].mean() - 0.5) < 0.03 and abs(weights[:, 1].std() - 12**-0.5) < 0.02


def test_shift_rotates_one_source_by_a_multiple_of_the_step(noise):
    stems, drawn = np.tile(noise, (100, 1, 1, 1)), []
    for example, shifted in zip(stems, augment(Shift(2), stems), strict=True):
        moved = [source for source in range(SOURCES) if (example[source] != shifted[source]).any()]
        assert len(moved) <= 1 and SOURCES - 1 not in moved
        turns = [
            turn
            for turn in range(5)
            for source in moved
            if (np.roll(example[source], 2 * turn, 0) == shifted[source]).all()
        ]
        assert len(turns) == len(moved)
        drawn.append((moved[0], turns[0]) if moved else None)
    # Shifts of 0, 2, 4, 6 and 8 of 9 samples are equally frequent; 0 is no shift.
    counts = {choice: drawn.count(choice) / len(drawn) for choice in set(drawn)}
    assert set(counts) == {None, *((source, turn) for source in range(3) for turn in range(1, 5))}
    assert abs(counts.pop(None) - 1 / 5) < 0.06
    assert all(abs(share - 1 / 15) < 0.04 for share in counts.values())


@pytest.mark.parametrize(("step", "turns"), [(8, {0, 8}), (9, {0}), (10, {0}), (1, set(range(9)))])
def test_shift_stays_within_the_window(noise, step, turns):
    stems = np.tile(noise[:, :2], (50, 1, 1, 1))
    found = {
        turn
        for example, shifted in zip(stems, augment(Shift(step), stems), strict=True)
        for turn in range(9)
        if (np.roll(example[0], turn, 0) == shifted[0]).all()
    }
    assert found == turns


@pytest.mark.parametrize("probability", [0.1, 0.5, 1.0])
def test_mute_silences_sources_but_never_all_and_not_the_residual(probability):
    ones = np.ones((3000, SOURCES, 3, 2), np.float32)
    kept = augment(Mute(probability), ones)
    np.testing.assert_array_equal(kept, np.broadcast_to(kept[:, :, :1, :1], kept.shape))
    kept = kept[:, :, 0, 0]
    assert set(np.unique(kept)) == {0, 1}
    assert (kept[:, -1] == 1).all()
    count = kept[:, :-1].sum(axis=1)
    assert count.min() >= 1
    # If all three would be silent, one is kept.
    expected = [0, 0, 0, 0]
    for muted in range(4):
        share = [1, 3, 3, 1][muted] * probability**muted * (1 - probability) ** (3 - muted)
        expected[max(1, 3 - muted)] += share
    np.testing.assert_allclose([(count == number).mean() for number in range(4)], expected, atol=0.03)
    # No source is preferred.
    assert np.ptp(kept[:, :-1].mean(axis=0)) < 0.05


def test_mute_of_channels_silences_each_by_itself_but_never_all():
    ones = np.ones((3000, 3, 4, 2), np.float32)
    for probability in (0.3, 1.0):
        kept = augment(Mute(probability, channels=True), ones)
        np.testing.assert_array_equal(kept, np.broadcast_to(kept[:, :, :1], kept.shape))
        assert (kept[:, -1] == 1).all()
        kept = kept[:, :-1, 0].reshape(-1, 4)
        assert set(np.unique(kept)) == {0, 1}
        assert kept.sum(axis=1).min() == 1
        # If all four would be silent, one is kept.
        np.testing.assert_allclose(kept.mean(axis=0), 1 - probability + probability**4 / 4, atol=0.03)
    kept = augment(Mute(0.3, channels=True), ones)[:, :-1, 0].reshape(-1, 4)
    assert np.abs(np.corrcoef(kept.T) - np.eye(4)).max() < 0.1


def test_mute_of_one_source_changes_nothing(noise):
    np.testing.assert_array_equal(augment(Mute(1.0), noise[:, -2:]), noise[:, -2:])


@pytest.mark.parametrize(("make", "change"), [(Swap, lambda stem: stem[:, ::-1]), (Polarity, lambda stem: -stem)])
def test_swap_and_polarity_change_sources_or_leave_them(noise, make, change):
    stems = np.tile(noise, (100, 1, 1, 1))
    for probability in (0.5, 0.1, 1.0):
        result = augment(make(probability), stems)
        changed = np.array(
            [
                [(after == change(before)).all() for before, after in zip(*pair, strict=True)]
                for pair in zip(stems, result, strict=True)
            ]
        )
        kept = (result == stems).all(axis=(2, 3))
        assert (changed ^ kept).all()
        np.testing.assert_allclose(changed.mean(axis=0), probability, atol=0.08)
        if probability == 0.5:
            # Sources are independent.
            assert abs((changed[:, 0] == changed[:, 1]).mean() - 0.5) < 0.08


def test_swap_does_not_change_mono(noise):
    np.testing.assert_array_equal(augment(Swap(1.0), noise[..., :1]), noise[..., :1])


@pytest.mark.parametrize("name", ACTIVE)
def test_mixture_is_the_sum_of_the_augmented_sources_and_the_residual(make_track, make_model, name):
    generator = np.random.default_rng(0)
    songs = []
    for number in range(4):
        stems = {source: generator.integers(-900, 900, (60, 2)) for source in ("vocals", "drums", "bass")}
        mixture = sum(stems.values()) + generator.integers(-90, 90, (60, 2))
        songs.append(make_track(f"song{number}", stems, mixture))
    model = make_model(("vocals", "drums", "bass"), channels=2, segment=9)
    options = {"seed": 3, "steps_per_epoch": 5, "jit_compile": False}
    plain = excerpts(songs, model, 6, augment=(), **options)
    augmented = excerpts(songs, model, 6, augment=(ACTIVE[name],), **options)
    for number, ((mixture, sources), (new_mixture, new_sources)) in enumerate(zip(plain, augmented, strict=True)):
        rows = [*sources.values(), mixture - tf.add_n(list(sources.values()))]
        key = tf.random.fold_in(tf.constant([3, 0], tf.int32), number, alg="philox")
        expected = tf.unstack(ACTIVE[name](tf.stack(rows, axis=1), key), axis=1)
        for source, row in zip(new_sources.values(), expected, strict=False):
            np.testing.assert_allclose(source, row, atol=1e-6)
        residual = new_mixture - tf.add_n(list(new_sources.values()))
        np.testing.assert_allclose(residual, expected[-1], atol=1e-6)
        assert (new_mixture != mixture).numpy().any()
        assert residual.numpy().any()


def test_other_arguments_out_of_range_are_errors():
    for make in (Mute, Swap, Polarity):
        for value in (-0.1, 1.1, float("nan")):
            with pytest.raises(
                ValueError,
                match=rf"probability must be a number of at least 0 and at most 1\. Received: probability={value}",
            ):
                make(value)
    for step in (0, -1):
        with pytest.raises(ValueError, match=f"step={step}"):
            Shift(step)
    with pytest.raises(ValueError, match="low=nan"):
        Gain(float("nan"), 1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_repr_shows_the_arguments_and_makes_the_same(name):
    augmentation = AUGMENTATIONS[name]()
    assert vars(eval(repr(augmentation), {kind.__name__: kind for kind in AUGMENTATIONS.values()})) == vars(
        augmentation
    )
    assert repr(Remix(0.7)) == "Remix(probability=0.7)"


def envelope(places, order=6):
    """A log-envelope of `order` cosines at places from 0 to 1."""
    weights = 0.4 * np.random.default_rng(2).normal(size=order)
    return np.cos(np.pi * np.outer(places, np.arange(order))) @ weights


def tone(log_envelope, partials=40, samples=8192):
    """Partials at multiples of a fundamental, of levels by an envelope, `[samples]`, and their places from 0 to 1."""
    places = np.arange(1, partials) / partials
    phases = np.pi * np.outer(np.arange(samples), places) + np.arange(1, partials) ** 2
    return np.cos(phases) @ np.exp(log_envelope(places)), places


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_formants_move_and_partials_stay(factor):
    sound, places = tone(envelope)
    expected, _ = tone(lambda places: envelope(np.minimum(places / factor, 1)))
    moved = augment(Formants(factor, factor, order=6), sound[None, None, :, None].astype(np.float32))[0, 0, :, 0]
    middle = slice(1024, 7168)  # frames at the ends have the sound in a half

    def levels(signal):
        spectrum = np.abs(np.fft.rfft(signal[middle] * np.hanning(6144)))
        return 20 * np.log10(spectrum[np.round(places * 3072).astype(int)])

    change, right = levels(moved) - levels(sound), levels(expected) - levels(sound)
    assert np.std(change - right) < 0.15 * np.std(right) + 1e-3


def test_formants_by_plain_numpy():
    order, factor, samples = 5, 1.1, 2048
    stems = np.random.default_rng(1).normal(size=(1, 1, samples, 2)).astype(np.float32)
    window = np.sin(np.pi * (np.arange(1024) + 0.5) / 1024)
    signal = np.pad(stems[0, 0].astype(float), [(1024, 1024), (0, 0)])
    expected, places = np.zeros_like(signal), np.linspace(0, 1, 513)
    for start in range(0, len(signal) - 1023, 512):
        spectrum = np.fft.rfft(signal[start : start + 1024] * window[:, None], axis=0)
        power = (np.abs(spectrum) ** 2).mean(axis=1)
        levels = np.log(power + 1e-6 * power.max() + 1e-20) / 2
        cosines = np.cos(np.pi * np.outer(places, np.arange(order)))
        weights = np.linalg.lstsq(cosines, levels, rcond=None)[0]
        for _ in range(6):
            levels = np.maximum(levels, cosines @ weights)
            weights = np.linalg.lstsq(cosines, levels, rcond=None)[0]
        stretched = np.cos(np.pi * np.outer(np.minimum(places / factor, 1), np.arange(order)))
        spectrum *= np.exp(np.clip((stretched - cosines) @ weights, -2.3, 2.3))[:, None]
        expected[start : start + 1024] += np.fft.irfft(spectrum, axis=0) * window[:, None]
    result = augment(Formants(factor, factor, order), stems)
    np.testing.assert_allclose(result[0, 0], expected[1024:-1024], atol=1e-4)


def test_formants_leave_silence_and_the_places_of_sounds():
    sound = tone(envelope)[0].astype(np.float32)
    stems = np.zeros((2, 2, len(sound), 2), np.float32)
    stems[0, 0, :, 0], stems[0, 0, :, 1] = sound, -0.5 * sound
    moved = augment(Formants(1.25, 1.25), stems)
    np.testing.assert_allclose(moved[0, 0, :, 1], -0.5 * moved[0, 0, :, 0], atol=1e-4)
    assert np.abs(moved[0, 0]).max() > 0.1 and not moved[1].any() and not moved[0, 1].any()


def test_formants_are_drawn_evenly_up_and_down():
    sound = np.broadcast_to(tone(envelope, samples=2048)[0], (400, 1, 2048)).astype(np.float32)[..., None]
    both = augment(Formants(0.8, 1.25, order=6), sound)[:, 0, :, 0]
    ends = [augment(Formants(factor, factor, order=6), sound[:1])[0, 0, :, 0] for factor in (0.8, 1.0, 1.25)]
    low, same, high = (np.square(both - end).sum(axis=1) for end in ends)
    nearest = np.argmin([low, same, high], axis=0)
    assert all(0.1 < (nearest == number).mean() < 0.7 for number in range(3))


@pytest.mark.parametrize("arguments", [{"low": 0}, {"low": 1.3}, {"high": float("nan")}])
def test_factors_of_formants_out_of_range_are_errors(arguments):
    with pytest.raises(ValueError, match=f"Factors need 0 < low <= high.*{next(iter(arguments))}="):
        Formants(**arguments)
    with pytest.raises(ValueError, match="order must"):
        Formants(order=1)
