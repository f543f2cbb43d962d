import pytest

import tfsep

# Its assertions should show their values, as those of test modules do.
pytest.register_assert_rewrite("preset_case")


@pytest.fixture(scope="class")
def model(request):
    """The model of the preset that a `PresetCase` names."""
    return tfsep.load_model(request.cls.name)


@pytest.fixture(scope="session")
def track():
    return tfsep.datasets.embedded()[0]
