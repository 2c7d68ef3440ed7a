"""Trainings of tests end soon: of one of four steps, the curve of its losses and the decoder of its bytes take more than half.

Folders whose tests train in this process import the fixture in their ``conftest.py``. Runs in processes of their own do all.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="module", autouse=True)
def short_ends() -> Iterator[None]:
    """Let the curve be a dot, and the decoder count in a tenth of the images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scorefield.runs.pictures.loss_curve", _dot)
        patch.setattr("scorefield.runs.averages._LEARNT", 200)
        yield


def _dot(path: Path, steps: Sequence[int], losses: Sequence[float]) -> None:
    assert len(steps) == len(losses)
    Image.new("L", (1, 1)).save(path)
