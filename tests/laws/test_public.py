"""The public surface: every name is there, and importing the package is free."""

import subprocess
import sys

import pytest

import scorefield


@pytest.mark.parametrize("name", scorefield.__all__)
def test_every_public_name_is_importable(name: str) -> None:
    value = getattr(scorefield, name)
    assert callable(value)
    assert value.__name__ == name
    assert name in dir(scorefield)


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, scorefield; print([m for m in ('torch', 'numpy', 'scipy') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        scorefield.Nonsense  # noqa: B018


def test_a_star_import_brings_every_name() -> None:
    namespace: dict[str, object] = {}
    exec("from scorefield import *", namespace)  # noqa: S102
    assert set(scorefield.__all__) <= namespace.keys()
