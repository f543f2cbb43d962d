import numpy as np
import pytest

from tfsep.models.adversarial_losses import ADVERSARIAL_LOSSES

# Logits of more fakes than real ones: the means are over each.
REAL = np.array([[0.5], [2.0]], "float32")
FAKE = np.array([[-1.0], [0.3], [0.1], [0.0]], "float32")


def half(first, second):
    return 0.5 * (np.mean(first**2) + np.mean(second**2))


EXPECTED = {
    "ralsgan": (
        half(REAL - FAKE.mean() - 1, FAKE - REAL.mean() + 1),
        half(REAL - FAKE.mean() + 1, FAKE - REAL.mean() - 1),
    ),
    "lsgan": (half(REAL - 1, FAKE), 0.5 * np.mean((FAKE - 1) ** 2)),
    "wgan-gp": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_values(name):
    loss = ADVERSARIAL_LOSSES[name]
    discriminator, generator = EXPECTED[name]
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), discriminator, rtol=1e-5)
    np.testing.assert_allclose(loss.generator(REAL, FAKE), generator, rtol=1e-5)


def test_how_each_is_trained():
    assert list(ADVERSARIAL_LOSSES) == list(EXPECTED)
    trained = {name: (loss.gradient_penalty, loss.critic_updates) for name, loss in ADVERSARIAL_LOSSES.items()}
    assert trained == {"ralsgan": (0.0, 1), "lsgan": (0.0, 1), "wgan-gp": (10.0, 5)}
