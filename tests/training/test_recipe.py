"""A training option is written once: Python, YAML and the command line get it from the fields of the recipe."""

import dataclasses
import inspect

import numpy as np
import pytest

from tfsep.training import Recipe, TrainConfig, fit
from tfsep.training.recipe import fields, option, takes


def test_fit_shows_every_option_in_signature_and_documentation():
    parameters = inspect.signature(fit).parameters
    for field in dataclasses.fields(Recipe):
        assert parameters[field.name].default == field.default
        assert f"    {field.name}: {field.type}. {field.metadata['words']}"[:56] in inspect.getdoc(fit)
    assert "options" not in parameters
    assert "{options}" not in fit.__doc__ + Recipe.__doc__ + TrainConfig.__doc__


def test_an_unknown_option_is_an_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        fit(None, [], None, "run", epoch=3)


def test_names_come_before_the_recipe():
    names = [field.name for field in fields(TrainConfig)]
    assert names[:3] == ["model", "data", "output"]
    assert names[-len(fields(Recipe)) :] == [field.name for field in fields(Recipe)]


def test_a_new_option_reaches_signature_documentation_and_checks():
    @dataclasses.dataclass(kw_only=True)
    class Longer(Recipe):
        warmup: "int" = option(5, "Steps of rising rate.", check=positive)

    @takes(Longer)
    def function(model, *, resume=False, **options):
        """Train.

        Args:
            {options}
        """

    assert inspect.signature(function).parameters["warmup"].default == 5
    assert "warmup: int. Steps of rising rate. Defaults to 5." in function.__doc__
    with pytest.raises(ValueError, match="warmup must be above 0"):
        Longer(warmup=0)


def positive(name, value):
    if value <= 0:
        raise ValueError(f"{name} must be above 0.")


def test_numbers_of_numpy_are_numbers():
    recipe = Recipe(epochs=np.int64(3), clipnorm=np.float32(0.5))
    assert (type(recipe.epochs), type(recipe.clipnorm)) == (int, float)
