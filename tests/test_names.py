"""The names that `dir` shows of the package and of its modules are the public ones."""

import inspect

import pytest

import tfsep

MODULES = sorted(name for name in tfsep.__all__ if inspect.ismodule(getattr(tfsep, name)))


def test_names_of_the_package():
    assert dir(tfsep) == sorted(["__version__", *tfsep.__all__])
    assert {"separate", "evaluate", "datasets", "models", "layers"} <= set(dir(tfsep))


@pytest.mark.parametrize("name", MODULES)
def test_names_of_a_module_are_public_and_its_own(name):
    module = getattr(tfsep, name)
    assert dir(module) == sorted(module.__all__)
    for public in dir(module):
        member = getattr(module, public)
        assert not inspect.ismodule(member)
        assert not public.startswith("_")
        assert getattr(member, "__module__", "tfsep").startswith(("tfsep", "builtins"))
