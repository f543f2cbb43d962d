"""Measures beside their references, and the time of all protocols together beside that of BSS Eval v4 alone.

    python tests/benchmarks/measures.py [--data musdb18:PATH] [--split valid] [--tracks 14]

References that are not installed are left out: museval (needs ffmpeg), mir_eval, log-wmse-audio-quality, and torch for
the formulas of Music-Source-Separation-Training. The estimates are the ideal ratio mask's, the first source is silenced
for "of silence". Exits with 1 if a measure differs by more than 1e-3 or all protocols take more than 1.5 times as long.
"""

import argparse
import importlib.util
import sys
import time
import warnings

import numpy as np

from tfsep import datasets, evaluation

PROTOCOLS = ("bsseval_v4", "si_sdr", "mdx", "msst", "log_wmse")
LARGEST_DIFFERENCE, LONGEST = 1e-3, 1.5


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--tracks", type=int, default=14)
    arguments = parser.parse_args()
    tracks = datasets.from_spec(arguments.data, arguments.split)[: arguments.tracks]
    audio = tracks[0].read_all(("mixture", *tracks[0].sources))
    mixture = audio.pop("mixture")
    estimates = np.stack(list(evaluation.oracle("IRM1", mixture, audio).values()))
    references = np.stack(list(audio.values()))
    good = True
    print(f"{'measure':24}{'reference':30}{'largest difference':>20}")
    for measure, reference, difference in differences(references, estimates, mixture, tracks[0].sample_rate):
        print(f"{measure:24}{reference:30}{difference:20.1e}")
        good &= difference <= LARGEST_DIFFERENCE
    alone, together = (seconds(tracks, protocols) for protocols in ("bsseval_v4", PROTOCOLS))
    times = f"{together:.1f} s, {together / alone:.2f} times"
    print(f"{len(tracks)} tracks: v4 {alone:.1f} s of processor, {len(PROTOCOLS)} protocols {times}")
    return 0 if good and together <= LONGEST * alone else 1


def seconds(tracks, protocols) -> float:
    """Return the processor's time: it is not lengthened by what else runs on the machine."""
    start = time.process_time()
    evaluation.evaluate(lambda mixture: {"vocals": 0.5 * mixture}, tracks, protocol=protocols, name="half")
    return time.process_time() - start


def differences(references, estimates, mixture, rate):
    """Yield measure, reference and largest difference, of those that can be imported."""
    silenced = references.copy()
    silenced[0] = 0
    ratios = [(np.sum(s**2) + 1e-7) / (np.sum((s - e) ** 2) + 1e-7) for s, e in doubles(references, estimates)]
    yield "uSDR", "formula in numpy", largest(evaluation.usdr(references, estimates), 10 * np.log10(ratios))
    yield (
        "SI-SDR, SI-SIR, SI-SAR",
        "formula in numpy",
        largest(
            np.array(list(evaluation.si_bss_eval(references, estimates).values())),
            scale_invariant(references, estimates),
        ),
    )
    if importlib.util.find_spec("mir_eval"):
        from mir_eval import separation

        mono = [sound[:, : 10 * rate].mean(axis=2).astype(np.float64) for sound in (references, estimates)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            theirs = separation.bss_eval_sources(*mono, compute_permutation=False)[:3]
        yield "BSS Eval v3", "mir_eval", largest(list(evaluation.bss_eval_sources(*mono).values()), theirs)
    try:
        import museval
    except (ImportError, RuntimeError):
        pass
    else:
        theirs = museval.evaluate(references, estimates, win=rate, hop=rate)
        ours = evaluation.bss_eval(references, estimates, rate)
        for measure, values in zip(evaluation.MEASURES, theirs, strict=True):
            yield f"BSS Eval v4 {measure}", "museval", largest(ours[measure], values)
    if importlib.util.find_spec("log_wmse_audio_quality"):
        from log_wmse_audio_quality import calculate_log_wmse

        for name, targets in (("log-WMSE", references), ("log-WMSE of silence", silenced)):
            theirs = [calculate_log_wmse(mixture.T, e.T, s.T, rate) for s, e in zip(targets, estimates, strict=True)]
            yield (
                name,
                "log-wmse-audio-quality",
                largest(evaluation.log_wmse(targets, estimates, mixture, rate), theirs),
            )
    if importlib.util.find_spec("torch"):
        for name, targets in (("", references), (" of silence", silenced)):
            theirs = np.array([spectral(s, e, rate) for s, e in zip(targets, estimates, strict=True)]).T
            ours = [
                *evaluation.bleedless_fullness(targets, estimates, rate).values(),
                evaluation.l1_freq(targets, estimates),
            ]
            for measure, one, other in zip(("bleedless", "fullness", "L1-freq"), ours, theirs, strict=True):
                yield f"{measure}{name}", "MSST's formulas in torch", largest(one, other)


def largest(ours, theirs) -> float:
    return float(np.nanmax(np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64))))


def doubles(*audio):
    return zip(*(sound.astype(np.float64) for sound in audio), strict=True)


def scale_invariant(references, estimates):
    sources = references.reshape(len(references), -1).astype(np.float64)
    values = []
    for s, e in zip(sources, estimates.reshape(sources.shape).astype(np.float64), strict=True):
        target = (e @ s) / (s @ s) * s
        projection = np.linalg.lstsq(sources.T, e, rcond=None)[0] @ sources
        errors = (e - target, projection - target, e - projection)
        values.append([10 * np.log10(target @ target / (error @ error)) for error in errors])
    return np.array(values).T


def spectral(reference, estimate, rate) -> tuple[float, float, float]:
    """Return bleedless, fullness and L1-freq of one source."""
    import librosa
    import torch

    pair = [torch.from_numpy(np.ascontiguousarray(sound.T)) for sound in (reference, estimate)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # bands narrower than a bin
        bands = torch.from_numpy(librosa.filters.mel(sr=rate, n_fft=4096, n_mels=512))
    options = {"window": torch.hann_window(4096), "pad_mode": "constant", "return_complex": True}
    mels = [bands @ torch.stft(sound, 4096, 1024, **options).abs() for sound in pair]
    levels = [20 * torch.log10(torch.clamp(mel, min=1e-10)) for mel in mels]
    one, other = (torch.maximum(level, level.max() - 80) for level in levels)
    more, less = (torch.relu(sign * (other - one)) for sign in (1, -1))
    bled, missing = (float(part.sum() / max(1, int((part > 0).sum()))) for part in (more, less))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a rectangular window is meant
        magnitudes = [torch.stft(sound, 2048, 1024, return_complex=True).abs() for sound in pair]
    distance = float(torch.mean(torch.abs(magnitudes[0] - magnitudes[1])))
    return 100 / (1 + bled), 100 / (1 + missing), 100 / (1 + 10 * distance)


if __name__ == "__main__":
    sys.exit(main())
