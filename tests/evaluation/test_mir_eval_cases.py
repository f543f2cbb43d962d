"""mir_eval's own regression cases, read from where they are (see `real_data`)."""

import json
import math

import numpy as np
import pytest
import soundfile

from tfsep.evaluation import bss_eval, bss_eval_sources, bss_eval_sources_framewise

NAMES = {
    "SDR": "Source to Distortion",
    "ISR": "Image to Spatial",
    "SIR": "Source to Interference",
    "SAR": "Source to Artifact",
}
# Case 06 is stereo on disk: mir_eval loads the mean of the channels. 09 is of one source.
CASES = ("01", "02", "03", "05", "06", "07", "08", "09")
LONG = ("02", "05", "08")  # as images


def _slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.fixture(params=CASES)
def case(request, real_data):
    """(references, estimates, expected values); the audio is `[sources, samples]`."""
    folder = real_data("peers/mir_eval-separation")
    audio = [
        np.stack(
            [soundfile.read(path, always_2d=True)[0].mean(axis=1) for path in sorted(folder.glob(f"{kind}/*.wav"))]
        )
        for kind in (f"ref{request.param}", f"est{request.param}")
    ]
    return *audio, json.loads((folder / f"output{request.param}.json").read_text())


def _images(audio, nchan, gain=1.0, reverse=False):
    channels = np.stack([audio, *[gain * audio] * (nchan - 1)], axis=2)
    return channels[:, :, ::-1] if reverse else channels


def _assert_equal(values, expected):
    for measure in values.keys() - {"permutation"}:
        np.testing.assert_allclose(values[measure], np.array(expected[NAMES[measure]]), atol=2e-4, err_msg=measure)


def test_sources(case):
    references, estimates, expected = case
    values = bss_eval_sources(references, estimates, permutation=True)
    _assert_equal(values, expected["Sources"])
    np.testing.assert_array_equal(values["permutation"], expected["Sources"]["Source permutation"])


@pytest.mark.parametrize("case", ["01", _slow("06")], indirect=True)
def test_sources_framewise(case):
    references, estimates, expected = case
    expected = expected["Framewise"]
    _assert_equal(bss_eval_sources_framewise(references, estimates, expected["win"], expected["hop"]), expected)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        *(_slow(name, "Images") if name in LONG else (name, "Images") for name in CASES),
        ("01", "Images Framewise"),
        _slow("06", "Images Framewise"),
    ],
    indirect=["case"],
)
def test_images(case, kind):
    references, estimates, expected = case
    expected = expected[kind]
    references = _images(references, expected["nchan"])
    estimates = _images(estimates, expected["nchan"], expected["gain"], expected["reverse"])
    options = {"window": expected.get("win", math.inf), "hop": expected.get("hop", math.inf)}
    values = bss_eval(references, estimates, 1, framewise_filters=True, permutation=True, **options)
    if kind == "Images":
        values = {name: scores[:, 0] for name, scores in values.items()}
    _assert_equal(values, expected)
