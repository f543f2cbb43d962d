"""Reports to be made in a test."""

from __future__ import annotations

import pytest
from report_material import make_data, make_estimates, save_results


@pytest.fixture
def results(tmp_path):
    return save_results(tmp_path / "scores", "unet")


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path / "data")


@pytest.fixture
def estimates(tmp_path):
    return make_estimates(tmp_path / "estimates", 0.1)
