"""A metric whose package is not installed says which, and how to get it."""

import sys

import pytest
import torch

from scorefield import wasserstein
from scorefield.errors import MissingExtraError


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ot", None)  # what an import finds where nothing is installed
    with pytest.raises(MissingExtraError, match=r"pip install 'scorefield\[metrics\]'"):
        wasserstein(torch.zeros(8, 2), torch.zeros(8, 2))
    assert MissingExtraError.exit_code == 2
    assert issubclass(MissingExtraError, ImportError)
