"""``suggest`` writes what ``train`` accepts, for data of every sort, in any units, without a copy of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from scorefield.advice import suggest
from scorefield.cli import main
from scorefield.config.suggested import advise
from scorefield.data import Dataset

R = np.random.default_rng(0)


def normal(*event: int) -> np.ndarray:
    return R.normal(size=(30, *event))


def levels(*event: int) -> np.ndarray:
    return R.integers(0, 256, (30, *event), dtype=np.uint8)


SETS = {
    **{f"{d} columns": normal(d) for d in (1, 2, 4, 5, 20)},
    "far from 0": 300 + 5 * normal(2),
    "faint": 1e-5 * normal(5),
    "huge": 1e9 * normal(5),
    "columns of all sizes": normal(5) * [1e-3, 1, 1e5, 1, 1] + [0, 0, 1e5, 300, 0],
    "a constant column": normal(6) * [1, 1, 1, 1, 1, 0] + [0, 0, 0, 0, 0, 7],
    "two examples": normal(6)[:2],
    "whole numbers": levels(3).astype(int),
    "half precision": normal(3).astype(np.float16),
    "grey": levels(8, 8),
    "colours": levels(8, 8, 3),
    "two channels": levels(2, 16, 16),
    "five channels": levels(5, 16, 16),
    "bits": levels(8, 8) > 99,
    "rows of bytes": levels(6),
    "float images": normal(1, 16, 16),
    "of 0 to 255": levels(1, 16, 16).astype(float),
    "without channels": normal(16, 16),
    "tiny images": normal(1, 2, 2),
    "flat images": normal(1, 4, 40),
    "series": normal(1, 256),
    "of three channels": normal(3, 64),
    "of many": normal(40, 64),
    "volumes": normal(1, 8, 8, 8),
    "four axes": normal(1, 4, 4, 4, 4),
}


@pytest.mark.parametrize("name", SETS)
def test_train_accepts_what_is_suggested(tmp_path: Path, capsys, name: str) -> None:
    np.save(tmp_path / "x.npy", SETS[name])
    out = tmp_path / "c.yaml"
    assert main(["suggest", str(tmp_path / "x.npy"), "--out", str(out)]) == 0, capsys.readouterr().err
    said = yaml.safe_load(out.read_text())
    ladder = said["objective"]["levels"]
    assert ladder["levels"] >= 3
    assert said["sampling"]["grid"]["levels"] == ladder
    assert main(["train", "--config", str(out), "--network.width", "8", "--dry-run", "--device", "cpu"]) == 0
    doubted = (
        ["in every row column 5 is 7:"] if name == "a constant column" else []
    )  # of the data, not of what is suggested
    assert [line.partition("warning: ")[2][:27] for line in capsys.readouterr().err.splitlines()] == doubted


@pytest.mark.parametrize(
    "name",
    [
        "series",
        "columns of all sizes",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("volumes", "two channels", "1 columns")),
    ],
)
def test_what_is_suggested_trains_and_draws(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "x.npy", SETS[name])
    out, run = tmp_path / "c.yaml", tmp_path / "run"
    assert main(["suggest", str(tmp_path / "x.npy"), "--out", str(out)]) == 0
    small = ["--network.width", "8", "--fast-dev-run", "--device", "cpu"]
    assert main(["train", "--config", str(out), *small, "--run", str(run)]) == 0
    assert main(["sample", str(run), "-n", "3", "--steps", "3", "--out", str(tmp_path / "s.npz")]) == 0
    drawn = np.load(tmp_path / "s.npz")["x"]
    assert drawn.shape == (3, *SETS[name].shape[1:])
    assert np.isfinite(drawn).all()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("suggest digits --size 4", "data.size goes with data.kind=path; digits does not read it"),
        ("train --dry-run --data.kind digits --data.examples 9", "data.examples goes with data.kind=density; digits"),
        ("train --dry-run --data.path=", "data.path is empty: name a file or a folder"),
        ("train --dry-run --data.kind digits --data.path=", "data.path is empty"),
        ("train --dry-run --data.density ring --data.columns a", "data.columns goes with data.kind=path; density"),
    ],
)
def test_what_data_do_not_read_is_refused(capsys, command: str, said: str) -> None:
    assert main(command.split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("axes", [["--channels", "last"], ["--channels", "none"]])
def test_what_is_asked_can_be_answered_here(tmp_path: Path, capsys, axes: list[str]) -> None:
    np.save(tmp_path / "x.npy", normal(16, 16, 4))
    assert main(["suggest", str(tmp_path / "x.npy")]) == 3
    assert "data.channels" in capsys.readouterr().err
    np.savez(tmp_path / "x.npz", theta=normal(2), images=normal(16, 16, 4))
    assert main(["suggest", str(tmp_path / "x.npz")]) == 3
    out = tmp_path / "c.yaml"
    assert main(["suggest", str(tmp_path / "x.npz"), "--array", "images", *axes, "--out", str(out)]) == 0
    assert yaml.safe_load(out.read_text())["network"]["kind"] == "unet"
    for side in (8, 9):
        (tmp_path / "p").mkdir(exist_ok=True)
        Image.fromarray(levels(side)[:side]).save(tmp_path / "p" / f"{side}.png")
    assert main(["suggest", str(tmp_path / "p"), "--size", "8"]) == 0


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.full((50, 3), 0.1), "nothing to learn"),
        (np.repeat(normal(6)[:1], 50, axis=0), "differ"),
        (np.repeat(np.linspace(0, 1, 40)[None], 9, axis=0), "differ"),
        (normal(6)[:1], "two"),
        (np.zeros((5, 8, 8), np.uint8), "nothing to learn"),
    ],
    ids=["constant", "one row", "one row, wide", "one example", "black"],
)
def test_data_without_distances_are_refused_in_a_line(tmp_path: Path, capsys, x: np.ndarray, said: str) -> None:
    np.save(tmp_path / "x.npy", x)
    assert main(["suggest", str(tmp_path / "x.npy")]) == 3
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert said in errors


def test_the_suggestion_does_not_depend_on_the_units() -> None:
    x = torch.from_numpy(normal(5)).float()
    far = Dataset(x * torch.tensor([1e-3, 1.0, 1e5, 7.0, 1.0]) + torch.tensor([0.0, 3.0, 1e6, 0.0, -50.0]), None, "far")
    one, other = (advise(data, sigma_L=0.01, repeats=5)[0] for data in (Dataset(x, None, "x"), far))
    assert one.levels == other.levels
    assert one.sigma_1 == pytest.approx(other.sigma_1, rel=1e-3)
    assert one.step_size == pytest.approx(other.step_size, rel=1e-3)
    assert (one.mean_data, one.sigma_data) == (0.0, 0.5)


def test_the_settings_of_bytes_are_those_of_values_in_the_unit_interval() -> None:
    data = Dataset(torch.from_numpy(levels(1, 8, 8)), None, "bytes")
    got, units = advise(data, sigma_L=0.01, repeats=5)
    assert (units.location.item(), units.scale.item()) == (0.0, 1.0)
    assert got.sigma_1 == suggest(data.scaled()).sigma_1


@pytest.mark.parametrize("dtype", [pytest.param(torch.uint8, marks=pytest.mark.slow), torch.float32])
def test_no_copy_of_the_data_is_made(monkeypatch, dtype: torch.dtype) -> None:
    data = Dataset((torch.arange(50_000)[:, None] % torch.arange(2, 402) % 256).to(dtype), None, "large")
    looked: list[int] = []
    scaled = Dataset.scaled

    def watched(self: Dataset, index: object = slice(None)) -> torch.Tensor:
        looked.append(scaled(self, index).numel())  # pyright: ignore[reportArgumentType]
        return scaled(self, index)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Dataset, "scaled", watched)
    advise(data, sigma_L=0.01, repeats=5)
    assert max(looked) <= 2**22
