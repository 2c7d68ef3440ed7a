"""The pictures of a run: what they show, at what cost, and that splitting levels for the film changes no sample."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from scorefield import VE, AnnealedLangevin, Exact, Gaussian, Heun, Karras, Sampler
from scorefield.cli import main
from scorefield.config import RunConfig, validate
from scorefield.grids import times_of
from scorefield.runs import pictures
from scorefield.runs.pictures import draw_grid, draw_way
from scorefield.sampling import sample

EVENT = (1, 8, 8)
MODEL = Exact(Gaussian(torch.full(EVENT, 0.5), 0.04), VE(sigma_min=0.01, sigma_max=1.0))


def configured(**sampling: Any) -> RunConfig:
    return validate(RunConfig, {"sampling": sampling}, "test")


def frames(path: Path) -> int:
    with Image.open(path) as film:
        return getattr(film, "n_frames", 1)


@pytest.fixture
def strip(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def sigma_strip(path: Path, states: Tensor, sigmas: list[float], final: Tensor, ends: tuple[float, float]) -> None:
        seen.update(states=states, sigmas=sigmas, final=final)

    monkeypatch.setattr(pictures, "sigma_strip", sigma_strip)
    return seen


def test_the_strip_shows_the_end_of_every_level_of_the_chain_that_was_asked_for(tmp_path: Path, strip: dict) -> None:
    config = configured(kind="ald", steps=10, repeats=100, relative_step=0.4)
    draw_way(tmp_path, tmp_path / "grid.png", MODEL, config, EVENT)
    sampler, grid = config.sampling.build(MODEL.process)
    times = times_of(grid, MODEL.process)
    assert isinstance(sampler, AnnealedLangevin)
    levels = sample(MODEL, sampler, (64, *EVENT), grid=times, seed=0, frames=12)
    assert levels.trajectory is not None
    assert torch.equal(strip["states"], levels.trajectory[1:-1, :8])
    assert torch.equal(strip["final"], levels.x[:8])
    _, sigma = MODEL.process.alpha_sigma(times[:-1])
    assert strip["sigmas"] == pytest.approx(sigma.tolist())
    # The exact law of x after a level is N(½, 0.2² + σ²) but for the steps' size: the strip's levels are those of its columns.
    spread = strip["states"].flatten(1).std(dim=1)
    assert spread.tolist() == pytest.approx([(0.04 + s**2) ** 0.5 for s in strip["sigmas"]], rel=0.15)


def test_the_grid_at_the_end_is_the_grid_on_the_way(tmp_path: Path) -> None:
    for k, sampling in enumerate(({"kind": "ald", "steps": 5, "repeats": 6}, {"kind": "heun", "steps": 6})):
        a, b = tmp_path / f"a{k}.png", tmp_path / f"b{k}.png"
        draw_grid(a, MODEL, configured(**sampling), EVENT)
        draw_way(tmp_path, b, MODEL, configured(**sampling), EVENT)
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    ("steps", "repeats", "columns", "film"),
    [(10, 100, 10, 52), (10, 7, 10, 12), (30, 5, 12, 32), (60, 5, 12, 62), (232, 1, 12, 62), (2, 1, 2, 4)],
)
def test_films_and_strips_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strip: dict, steps: int, repeats: int, columns: int, film: int
) -> None:
    kept: list[int] = []
    monkeypatch.setattr(pictures, "save_film", lambda path, trajectory, ends: kept.append(len(trajectory)))
    draw_way(tmp_path, tmp_path / "grid.png", MODEL, configured(kind="ald", steps=steps, repeats=repeats), EVENT)
    assert kept == [film]
    assert len(strip["states"]) == columns
    assert strip["sigmas"] == sorted(strip["sigmas"], reverse=True)
    assert (strip["sigmas"][0], strip["sigmas"][-1]) == pytest.approx((1.0, 0.01), rel=0.1)


def test_other_samplers_have_a_film_and_no_strip(tmp_path: Path) -> None:
    draw_way(tmp_path, tmp_path / "grid.png", MODEL, configured(kind="em", steps=5), EVENT)
    assert frames(tmp_path / "movie.gif") > 3
    assert not (tmp_path / "sigma-strip.png").exists()


@pytest.mark.slow
def test_training_leaves_grids_a_strip_and_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every grid costs one draw, the last one included; the run is shorter than its first line of metrics."""
    calls: list[Sampler] = []
    monkeypatch.setattr(
        pictures, "sample", lambda model, sampler, *a, **k: calls.append(sampler) or sample(model, sampler, *a, **k)
    )
    tiny = ["--data.kind", "digits", "--network.ngf", "4", "--train.steps", "6", "--train.batch_size", "8"]
    tiny += ["--train.sample_every", "3", "--sampling.repeats", "2", "--device", "cpu", "--run", str(tmp_path / "run")]
    config = str(Path(__file__).parents[2] / "configs" / "mnist-ncsn.yaml")
    assert main(["train", "--config", config, *tiny]) == 0
    assert {p.name for p in (tmp_path / "run" / "samples").iterdir()} == {"step-00000003.png", "step-00000006.png"}
    assert frames(tmp_path / "run" / "movie.gif") >= 20
    assert (tmp_path / "run" / "sigma-strip.png").read_bytes().startswith(b"\x89PNG")
    assert len(calls) == 2


def test_a_film_ends_on_the_sample_and_begins_on_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Tensor] = []
    monkeypatch.setattr(pictures, "save_film", lambda path, trajectory, ends: shown.append(trajectory))
    draw_way(tmp_path, tmp_path / "grid.png", MODEL, configured(kind="heun", steps=100), EVENT)
    drawn = sample(MODEL, Heun(), (64, *EVENT), grid=Karras(99).times(MODEL.process), seed=0)
    (film,) = shown
    assert film.shape == (62, 16, *EVENT)
    assert torch.equal(film[-1], drawn.x[:16])
    assert film[0].std().item() == pytest.approx(1.0, rel=0.1)
