"""Samples start where the data are: a run knows the mean of every pixel, and keeps it."""

from pathlib import Path

import pytest
import torch
from small import as_bytes, small_run

import scorefield as sf
from scorefield.data import Dataset
from scorefield.errors import CheckpointError
from scorefield.training import checkpoint
from scorefield.units import Moments


def rewrite(run: Path, change: dict[str, dict[str, torch.Tensor]]) -> None:
    """Write the run's last checkpoint with another group of moments."""
    found = checkpoint.latest(run / "checkpoints", pytest.fail)
    assert found is not None
    kept = {name: group for name, group in found.tensors.items() if name != "moments"}
    checkpoint.save(run / "checkpoints", found.step, kept | change, found.state)


@pytest.fixture
def data() -> Dataset:
    return as_bytes()


def test_a_run_starts_at_the_mean_of_every_pixel(tmp_path: Path, data: Dataset) -> None:
    with small_run(tmp_path / "run", data, steps=3)[0] as run:
        for record in run:
            assert record.step <= 3
        drawn_from = run.state.ema
    assert isinstance(drawn_from, sf.ScoreModel)
    loaded = sf.load_model(tmp_path / "run")
    x = data.scaled()
    for model in (drawn_from, loaded.model):
        mean, std = (part.float() for part in model.prior(40.0).__dict__.values())
        torch.testing.assert_close(mean, x.mean(dim=0))
        torch.testing.assert_close(std, torch.sqrt(x.var(dim=0, correction=0) + 40.0**2))
    assert drawn_from.moments == loaded.model.moments
    sf.save_pretrained(tmp_path / "run", tmp_path / "shared")
    assert sf.from_pretrained(tmp_path / "shared").model.moments == loaded.model.moments


def test_a_run_of_former_days_goes_on_as_it_began(tmp_path: Path, data: Dataset) -> None:
    with small_run(tmp_path / "run", data, steps=3)[0] as run:
        next(iter(run))
        run.save()
    rewrite(tmp_path / "run", {})
    with small_run(tmp_path / "run", data, steps=3)[0] as run:
        for _ in run.resume():
            pass
    model = sf.load_model(tmp_path / "run").model
    assert model.moments is not None
    assert model.moments.mean.shape == ()


def test_a_start_from_noise_knows_no_moments(tmp_path: Path, data: Dataset) -> None:
    with small_run(tmp_path / "run", data, steps=1, model={"start": "noise"})[0] as run:
        assert list(run)
    assert sf.load_model(tmp_path / "run").model.moments is None


def test_moments_of_other_images_are_refused(tmp_path: Path, data: Dataset) -> None:
    with small_run(tmp_path / "run", data, steps=1)[0] as run:
        assert list(run)
    rewrite(tmp_path / "run", {"moments": Moments(torch.zeros(3, 4), torch.ones(3, 4)).tensors})
    with pytest.raises(CheckpointError, match=r"data's moments: .*mean has shape \(3, 4\) instead of \(1, 8, 8\)"):
        sf.load_model(tmp_path / "run")
