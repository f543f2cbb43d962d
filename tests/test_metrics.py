import keras
import numpy as np
import pytest

from tfsep import evaluation, metrics


def si_sdr(reference, estimate) -> float:
    """SI-SDR of one example in float64."""
    reference, estimate = reference.astype(np.float64).ravel(), estimate.astype(np.float64).ravel()
    target = estimate @ reference / (reference @ reference) * reference
    return 10 * np.log10(np.sum(target**2) / np.sum((estimate - target) ** 2))


@pytest.fixture
def noise():
    generator = np.random.default_rng(0)
    return lambda *shape: generator.normal(0, 0.1, shape).astype("float32")


def test_si_sdr_equals_the_formula(noise):
    reference = noise(4, 1000, 2)
    estimate = 0.3 * reference + np.reshape([0, 0.01, 1, 100], (4, 1, 1)).astype("float32") * noise(4, 1000, 2)
    estimate[0] += 1e-3 * noise(1000, 2)
    expected = [si_sdr(r, e) for r, e in zip(reference, estimate, strict=True)]
    assert max(expected) > 40 > 0 > min(expected)
    np.testing.assert_allclose(metrics.si_sdr(reference, estimate), expected, atol=1e-3)


@pytest.mark.parametrize("gain", [1e-3, 0.1, -1.0, 50.0])
def test_si_sdr_ignores_the_scale_of_the_estimate(noise, gain):
    reference = noise(1, 1000, 1)
    estimate = reference + noise(1, 1000, 1)
    np.testing.assert_allclose(
        metrics.si_sdr(reference, gain * estimate), metrics.si_sdr(reference, estimate), atol=1e-3
    )


@pytest.mark.parametrize("silent", ["reference", "estimate", "both"])
def test_si_sdr_is_finite_for_silence(noise, silent):
    reference, estimate = noise(1, 100, 1), noise(1, 100, 1)
    reference *= silent == "estimate"
    estimate *= silent == "reference"
    assert np.isfinite(metrics.si_sdr(reference, estimate)).all()


def test_half_precision_is_computed_in_full(noise):
    reference = noise(2, 1000, 1).astype("float16")
    estimate = (reference + 0.1 * noise(2, 1000, 1)).astype("float16")
    expected = [si_sdr(r, e) for r, e in zip(reference, estimate, strict=True)]
    np.testing.assert_allclose(metrics.si_sdr(reference, estimate), expected, atol=1e-2)


def test_metric_is_the_mean_over_audible_references_of_all_batches(noise):
    metric, silent = metrics.SISDR(name="si_sdr"), metrics.SilentReferences()
    references, estimates = noise(5, 200, 1), noise(5, 200, 1)
    references[[1, 4]] = 0.0
    references[4] = 1e-6  # -120 dB
    for part in (slice(0, 2), slice(2, 5)):
        metric.update_state(references[part], estimates[part])
        silent.update_state(references[part])
    expected = np.mean([si_sdr(references[i], estimates[i]) for i in (0, 2, 3)])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-3)
    assert float(silent.result()) == 2
    metric.reset_state()
    silent.reset_state()
    assert float(metric.result()) == float(silent.result()) == 0


def test_improvement_is_over_the_mixture(noise):
    metric = metrics.SISDR()
    references, estimates, mixtures = noise(3, 200, 1), noise(3, 200, 1), noise(3, 200, 1)
    estimates, mixtures = references + 0.1 * estimates, references + mixtures
    metric.update_state(references, estimates, mixtures)
    gains = [si_sdr(r, e) - si_sdr(r, m) for r, e, m in zip(references, estimates, mixtures, strict=True)]
    assert np.mean(gains) > 15
    assert float(metric.result()) == pytest.approx(np.mean(gains), abs=1e-3)


def test_audible_from_minus_100_db():
    levels = np.array([0.0, 0.9e-5, 1.1e-5, 1.0], "float32")
    signals = np.ones((4, 50, 2), "float32") * levels[:, None, None]
    np.testing.assert_array_equal(metrics.is_audible(signals), [0, 0, 1, 1])


@pytest.mark.parametrize("cls", [metrics.SISDR, metrics.SilentReferences])
def test_reload(cls):
    config = keras.saving.serialize_keras_object(cls(name="vocals_metric"))
    loaded = keras.saving.deserialize_keras_object(config)
    assert type(loaded) is cls
    assert loaded.name == "vocals_metric"


def test_usdr_is_that_of_evaluation_and_its_metric_the_mean(noise):
    reference = noise(3, 1000, 2)
    reference[2] = 0
    estimate = reference + 0.1 * noise(3, 1000, 2)
    expected = evaluation.usdr(reference, estimate)
    np.testing.assert_allclose(metrics.usdr(reference, estimate), expected, atol=1e-3)
    metric = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metrics.uSDR(name="u")))
    for index in range(3):
        metric.update_state(reference[index : index + 1], estimate[index : index + 1])
    assert float(metric.result()) == pytest.approx(expected.mean(), abs=1e-3)
