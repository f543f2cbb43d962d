import numpy as np
import pytest

from tfsep.separation import separate_blocks
from tfsep.separation.chunking import cut


def run(audio, model, block_size=70, **options):
    blocks = (audio[at : at + block_size] for at in range(0, len(audio), block_size))
    return np.concatenate(list(separate_blocks(blocks, len(audio), audio.shape[1], model, **options)))


def network(window):
    """Depends on the position of a sample in its window, and on the other samples."""
    place = np.linspace(0.5, 1.5, window.shape[-2])[:, np.newaxis]
    return window * place + window.mean(axis=-2, keepdims=True)


@pytest.fixture
def foreign(identity):
    class Foreign(identity):
        def __init__(self, overlap, fade, edges, segment=100):
            super().__init__(segment)
            self.overlap, self.fade, self.edges, self.batch_size = overlap, fade, edges, 1

        def separate_window(self, window):
            estimate = network(window.astype(np.float64)).astype(np.float32)
            return {"plain": estimate, "minus": -estimate}

    return Foreign


def demucs_rule(audio, segment, overlap=0.25):
    """Chunks centred in the segment, with a triangle as weights."""
    samples, stride = len(audio), int((1 - overlap) * segment)
    ramp = np.r_[np.arange(1, segment // 2 + 1), np.arange(segment - segment // 2, 0, -1)][:, None]
    sums, norms = np.zeros((2, *audio.shape))
    for start in range(0, samples, stride):
        length = min(segment, samples - start)
        begin = start - (segment - length) // 2
        window = np.zeros((segment, audio.shape[1]))
        first, last = max(0, begin), min(samples, begin + segment)
        window[first - begin : last - begin] = audio[first:last]
        trimmed = network(window)[(segment - length) // 2 :][:length]
        sums[start : start + length] += ramp[:length] * trimmed
        norms[start : start + length] += ramp[:length]
    return sums / norms


def msst_rule(audio, segment, overlaps):
    """The song mirrored at its ends, fades over a tenth of the segment."""
    step = segment // overlaps
    border = segment - step
    padded = np.pad(audio, ((border, border), (0, 0)), "reflect") if len(audio) > 2 * border else audio
    fade = np.linspace(0, 1, segment // 10)
    # The original divides zero by zero where segments meet without an overlap.
    window = np.maximum(np.r_[fade, np.ones(segment - 2 * len(fade)), fade[::-1]], 1e-9)[:, None]
    sums, norms = np.zeros((2, *padded.shape))
    for start in range(0, len(padded), step):
        part = padded[start : start + segment]
        length = len(part)
        mode = "reflect" if length > segment // 2 else "constant"
        weights = np.array(window)
        if start == 0:
            weights[: len(fade)] = 1
        if start + step >= len(padded):
            weights[-len(fade) :] = 1
        estimate = network(np.pad(part, ((0, segment - length), (0, 0)), mode))
        sums[start : start + length] += (weights * estimate)[:length]
        norms[start : start + length] += weights[:length]
    whole = sums / norms
    return whole[border:-border] if len(padded) > len(audio) else whole


@pytest.mark.parametrize("segment", [100, 61])
@pytest.mark.parametrize("samples", [1, 2, 40, 75, 99, 100, 101, 150, 160, 200, 777])
def test_centred_chunks_and_triangle_are_those_of_demucs(foreign, noise, samples, segment):
    audio = noise(samples)
    if segment == 61:  # 0.75 * 61 is no whole number, which demucs cuts off
        found = run(audio, foreign(1 - 45 / 61, "triangle", "centred", segment))
    else:
        found = run(audio, foreign(0.25, "triangle", "centred"))
    np.testing.assert_allclose(found[:, 0], demucs_rule(audio, segment), atol=1e-6)
    np.testing.assert_allclose(found[:, 1], -found[:, 0])


@pytest.mark.parametrize("overlaps", [1, 2, 4])
@pytest.mark.parametrize("samples", [2, 40, 51, 100, 101, 150, 151, 175, 200, 777])
def test_mirrored_ends_and_short_fades_are_those_of_msst(foreign, noise, samples, overlaps):
    audio = noise(samples)
    found = run(audio, foreign(1 - 1 / overlaps, "tenth", "reflect"))
    np.testing.assert_allclose(found[:, 0], msst_rule(audio, 100, overlaps), atol=1e-6)


def test_arguments_take_precedence_over_attributes_of_the_model(foreign, identity, noise):
    audio, model = noise(500), foreign(0.25, "overlap", "zeros")
    assert np.array_equal(run(audio, model, overlap=0.5, batch_size=1), run(audio, foreign(0.5, "overlap", "zeros")))
    plain = identity(channels=2)
    run(audio, plain, batch_size=3)
    run(audio, plain)
    assert {shape[0] for shape in plain.shapes} == {3, 4}


def test_a_song_in_one_block_is_not_copied_for_every_chunk(identity, noise, monkeypatch):
    copied, concatenate = [], np.concatenate

    def counted(arrays, *args, **kwargs):
        result = concatenate(arrays, *args, **kwargs)
        copied.append(len(result))
        return result

    monkeypatch.setattr(np, "concatenate", counted)
    chunks = list(cut([noise(10_000)], 2, segment=100, context=10, hop=75, edges="zeros"))
    assert len(chunks) == 133
    assert sum(copied) < 20_000
