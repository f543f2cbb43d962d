import pytest

# Its assertions are to show their values, as those of test modules do.
pytest.register_assert_rewrite("separator_case")
