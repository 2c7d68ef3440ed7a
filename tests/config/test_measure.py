"""Location and scale are measured where nobody told them, kept to the last digit, and leave pictures in bytes as they were."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import scorefield as sf
from scorefield.cli import main
from scorefield.config import RunConfig, measure, parse_yaml, to_yaml, validate
from scorefield.data import Dataset
from scorefield.units import Units

TINY = ["--fast-dev-run", "--device", "cpu"]
GENERATOR = torch.Generator().manual_seed(0)
SCALES = torch.tensor([1e-3, 1e4, 1.0])
TABLE = Dataset(torch.randn(500, 3, generator=GENERATOR) * SCALES + torch.tensor([0.0, 1e5, 300.0]), None, "table")
SERIES = Dataset(20 * torch.randn(40, 1, 32, generator=GENERATOR) + 100, None, "series")
BYTES = Dataset(torch.randint(0, 256, (30, 1, 8, 8), generator=GENERATOR, dtype=torch.uint8), None, "bytes")


def resolved(dataset: Dataset, model: dict[str, Any] | None = None, **values: Any) -> RunConfig:
    model = {"kind": "denoiser", **(model or {})}
    return validate(RunConfig, {"model": model, "network": "mlp", **values}, "test").resolve(dataset)


@pytest.mark.parametrize("kind", ["denoiser", "noise", "energy"])
@pytest.mark.parametrize("dataset", [TABLE, SERIES], ids=lambda d: d.name)
def test_numbers_are_standardised_and_the_measurements_kept_to_the_last_digit(dataset: Dataset, kind: str) -> None:
    config = resolved(dataset, {"kind": kind})
    again = validate(RunConfig, parse_yaml(to_yaml(config), "x"), "x")
    assert again == config == config.resolve(dataset)
    model, units = again.build_model(dataset.event), Units.of(dataset.x)
    assert model.units.location.tolist() == units.location.tolist()
    assert model.units.scale.tolist() == units.scale.tolist()
    inside = model.standardise(dataset.x)
    assert inside.std(dim=0 if dataset is TABLE else None, correction=0).tolist() == pytest.approx(
        [0.5] * 3 if dataset is TABLE else 0.5, rel=1e-3
    )
    if kind == "denoiser":
        assert (again.model.sigma_data, again.model.mean_data) == (0.5, 0.0)


def test_a_column_that_never_changes_is_measured_in_its_own_size() -> None:
    """What a model errs by there is then a share of it, as everywhere; of zeros there is none, and their unit is 1."""
    constant = torch.tensor([300.0, -0.001, 0.0]).expand(20, 3)
    units = Units.of(torch.cat([constant, torch.arange(20.0)[:, None]], dim=1))
    torch.testing.assert_close(units.location[:3].float(), constant[0])
    assert units.scale[:3].tolist() == pytest.approx([300, 1, 1])
    assert units.scale[3].item() == pytest.approx(2 * np.arange(20).std())


def test_bytes_keep_their_units_and_readable_numbers() -> None:
    config = resolved(BYTES)
    x = BYTES.scaled()
    assert (config.model.location, config.model.scale) == (0.0, 1.0)
    assert (config.model.mean_data, config.model.sigma_data) == (round(x.mean().item(), 4), round(x.std().item(), 4))
    assert config.build_model(BYTES.event).units is None


@pytest.mark.parametrize("flips", [False, True])
def test_every_coordinate_has_its_moments(flips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_VALUES", 64 * 7)  # parts of seven images, and a last one of two
    found = measure.moments(replace(BYTES, flips=flips), Units(0.5, 2.0))
    y = (BYTES.scaled().double() - 0.5) / 2
    y = torch.cat([y, y.flip(-1)]) if flips else y
    torch.testing.assert_close(found.mean, y.mean(dim=0), rtol=0, atol=1e-7)
    torch.testing.assert_close(found.std, y.std(dim=0, correction=0), rtol=1e-6, atol=1e-7)


def test_who_tells_a_deviation_speaks_the_datas_units() -> None:
    config = resolved(SERIES, {"sigma_data": 20.0}, process={"kind": "edm", "sigma_max": 1e3})
    assert (config.model.location, config.model.scale, config.model.sigma_data) == (0.0, 1.0, 20.0)
    assert config.model.mean_data == pytest.approx(SERIES.x.double().mean().item(), rel=1e-12)
    told = resolved(SERIES, {"scale": 10.0})
    assert told.model.location == Units.of(SERIES.x).location.item()
    assert told.model.sigma_data == pytest.approx(SERIES.x.double().std().item() / 10, rel=1e-9)


def test_an_earlier_sitting_has_measured() -> None:
    before = resolved(TABLE, {"sigma_data": 3.0, "mean_data": 1.0, "start": "noise"}, process={"kind": "vp"})
    asked = validate(RunConfig, {"network": "mlp", "process": {"kind": "vp"}}, "test")
    assert asked.resolve(TABLE, before).model == before.model


def test_a_process_that_does_not_reach_the_data_is_refused() -> None:
    with pytest.raises(sf.ConfigError, match=r"ends at σ/α = 80, within the data's standard deviation 90: samples"):
        resolved(SERIES, {"sigma_data": 90.0})
    resolved(SERIES, {"sigma_data": 79.0})


def test_a_density_to_compare_with_keeps_its_units() -> None:
    ring = {"kind": "density", "density": {"kind": "ring", "radius": 7.0}, "examples": 400}
    config = validate(RunConfig, {"data": ring, "objective": "fisher", "network": "mlp"}, "test")
    config = config.resolve(config.data.load())
    assert (config.model.location, config.model.scale) == (0.0, 1.0)
    assert config.model.sigma_data == pytest.approx(7 / 2**0.5, rel=0.05)
    assert config.build_objective().density == sf.Ring(radius=7.0)
    train, test = config.data.load(), config.data.load(train=False)
    assert train.x.shape == test.x.shape == (400, 2)
    assert not torch.equal(train.x, test.x)


def test_measuring_copies_no_data_set() -> None:
    """64 MB of float32 are measured in parts of 32 MiB in float64, and a few numbers."""
    big = Dataset(torch.zeros(4_000_000, 4), None, "big")
    largest: list[int] = []
    inside = Units.inside

    def watched(self: Units, x: torch.Tensor) -> torch.Tensor:
        largest.append(x.numel())
        return inside(self, x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Units, "inside", watched)
        with pytest.raises(sf.DataError, match="nothing to learn"):
            resolved(big, {"mean_data": 0.0})
    assert max(largest) <= 2**22


@pytest.mark.parametrize(
    ("x", "code"),
    [
        (np.full((50, 3), 2.5), 3),
        (np.repeat(np.random.default_rng(0).normal(size=(1, 3)), 50, axis=0), 0),
        (1e-5 * np.random.default_rng(0).normal(size=(50, 3)), 0),
        (np.array([[3.0]]), 3),
        (np.random.default_rng(0).normal(size=(20, 1, 32)), 0),
        (np.random.default_rng(0).normal(size=(20, 1, 4, 4, 4)), 0),
        (np.zeros((5, 8, 8), dtype=np.uint8), 3),
    ],
    ids=["constant", "one row", "faint", "one number", "series", "volumes", "black"],
)
def test_odd_data_are_learned_or_refused_in_a_line(tmp_path: Path, capsys, x: np.ndarray, code: int) -> None:
    np.save(tmp_path / "x.npy", x)
    data = [
        "--data.kind",
        "path",
        "--data.path",
        str(tmp_path / "x.npy"),
        "--network.kind",
        "mlp",
        "--network.width",
        "8",
    ]
    run, out = tmp_path / "run", tmp_path / "s.npz"
    assert main(["train", *data, "--run", str(run), *TINY]) == code
    errors = capsys.readouterr().err
    if code:
        assert errors.count("\n") == 1
        assert f"every number is {x.flat[0]:g}, so there is nothing to learn; set model.sigma_data" in errors
        assert main(["train", *data, "--run", str(run), *TINY, "--model.sigma_data", "1"]) == 0
        return
    assert main(["sample", str(run), "-n", "3", "--out", str(out), "--device", "cpu"]) == 0
    assert np.load(out)["x"].shape == (3, *x.shape[1:])
