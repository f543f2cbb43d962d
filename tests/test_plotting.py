import matplotlib.image
import numpy as np
import pytest

from tfsep import plotting

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def stems():
    time = np.arange(4000) / 8000
    tone = np.sin(2 * np.pi * 440 * time)[:, np.newaxis].astype("float32")
    return {"vocals": 0.5 * np.repeat(tone, 2, axis=1), "drums": np.zeros((4000, 1), "float32")}


def is_drawn(path) -> bool:
    image = matplotlib.image.imread(path)
    return image.std() > 0.01


def test_losses(tmp_path):
    history = {"loss": [2.0, 1.0], "vocals_loss": [1.0, 0.5], "val_loss": [2.1, 1.2], "val_vocals_si_sdr": [0.0, 1.0]}
    plotting.plot_losses(history, tmp_path / "loss.png")
    one = matplotlib.image.imread(tmp_path / "loss.png").shape
    assert is_drawn(tmp_path / "loss.png")
    plotting.plot_losses(history | {"drums_loss": [1.0, 0.5]}, tmp_path / "loss.png")
    more = matplotlib.image.imread(tmp_path / "loss.png").shape
    assert more[1] / one[1] == pytest.approx(3 / 2, rel=0.01)


def test_a_loss_below_zero_is_drawn_on_a_linear_scale(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(plotting, "_save", lambda figure, path: figures.append(figure))
    plotting.plot_losses({"loss": [2.0, 1.0], "val_loss": [3.0, 2.0], "critic_loss": [-3.0, 1.0]}, tmp_path)
    assert [axes.get_yscale() for axes in figures[0].axes] == ["log", "linear"]


@pytest.mark.parametrize("plot", [plotting.plot_waveforms, plotting.plot_sources])
@pytest.mark.parametrize("samples", [1, 2, 700, 4000])
def test_sources_of_any_length(stems, tmp_path, plot, samples):
    plot({name: stem[:samples] for name, stem in stems.items()}, 8000, tmp_path / "a.png")
    assert is_drawn(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_waveforms_share_a_scale_and_keep_the_peaks(monkeypatch, tmp_path):
    click = np.zeros((100_000, 1), "float32")
    click[50_001] = -0.75
    drawn = []
    monkeypatch.setattr(plotting, "_save", lambda figure, path: drawn.append(figure))
    plotting.plot_waveforms({"a": click, "b": 0.1 * click}, 1000, tmp_path / "a.png")
    first, second = drawn[0].axes
    assert first.get_ylim() == second.get_ylim() == pytest.approx((-0.75, 0.75))
    points = first.collections[0].get_paths()[0].vertices
    assert points[:, 1].min() == -0.75
    assert points[points[:, 1].argmin(), 0] == pytest.approx(50, abs=0.1)


def test_waveforms_name_silent_stems_and_count_minutes(stems, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(plotting, "_save", lambda figure, path: drawn.append(figure))
    plotting.plot_waveforms(stems, 40, tmp_path / "a.png")  # 100 s
    vocals, drums = drawn[0].axes
    assert [text.get_text() for text in drums.texts] == ["silent"] and not vocals.texts
    labels = [drums.xaxis.get_major_formatter()(second) for second in (0, 7.5, 65, 600)]
    assert labels == ["0:00", "0:07.5", "1:05", "10:00"]


def test_each_stem_has_its_colour():
    colors = plotting.stem_colors(["vocals", "other", "rest", "more", "drums"])
    assert len(set(colors)) == 5
    assert colors[0] == plotting.stem_colors(["bass", "vocals"])[1]
    assert len(plotting.stem_colors([f"stem {number}" for number in range(20)])) == 20


def test_titles_are_no_formulas(stems, tmp_path):
    plotting.plot_sources(stems, 8000, tmp_path / "a.png", title=r"Ke$ha - $\nonsense$")
    assert is_drawn(tmp_path / "a.png")


def test_a_figure_that_fails_leaves_nothing(stems, tmp_path):
    with pytest.raises(ValueError, match="nonsense"):
        plotting.plot_waveforms(stems, 8000, tmp_path / "a.nonsense")
    assert not list(tmp_path.iterdir())


def test_spectrograms_of_each_source_and_channel_beside_the_reference(stems, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(plotting, "_save", lambda figure, path: drawn.append(figure))
    # The right channel of the estimate is silent.
    estimates = {"vocals": stems["vocals"] * np.float32([1, 0]), "drums": stems["drums"]}
    plotting.plot_spectrograms(estimates, 8000, tmp_path / "a.png", stems)
    axes = drawn[0].axes
    assert [panel.get_ylabel() for panel in axes[::2]] == ["vocals 1", "vocals 2", "drums"]
    assert [panel.get_title() for panel in axes] == ["reference", "estimate", "", "", "", ""]
    loudest = [panel.images[0].get_array().max() for panel in axes]
    assert loudest[0] == loudest[1] == loudest[2] > -20
    assert loudest[3:] == pytest.approx([-120] * 3)


def test_spectrograms_are_drawn(stems, tmp_path):
    plotting.plot_spectrograms({"vocals": stems["vocals"]}, 8000, tmp_path / "a.png", stems)
    assert is_drawn(tmp_path / "a.png")


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (2048, 1), (20_000, 90), (1_000_000, 488)])
def test_power_of_a_tone(samples, frames):
    tone = np.sin(2 * np.pi * 1000 * np.arange(samples) / 8000)[:, np.newaxis].astype("float32")
    power = plotting.power_spectrogram(tone, columns=100)
    # About as many frames as columns, or as many as leave no gap between them.
    assert power.shape == (1025, frames)
    if samples >= 2048:
        assert power.mean(axis=1).argmax() == 256
        assert power.max() == pytest.approx(0.5, rel=0.01)
