"""A run that learns from a trained model draws in as many evaluations as its grid has levels, and is asked for nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scorefield import Euler, Karras, load_model
from scorefield.cli.main import main
from scorefield.pretrained import load_trained

GRID = "{kind: karras, steps: 2, sigma_max: 10.0, sigma_min: 0.4}"
STUDENT = ["--objective", f"{{kind: distillation, solver: heun, steps: 2, grid: {GRID}}}"]
STUDENT += ["--sampling", f"{{sampler: {{kind: euler}}, grid: {GRID}}}"]
TINY = ["--data.kind", "digits", "--network.width", "16", "--network.depth", "1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    teacher, student = (tmp_path_factory.mktemp("distillation") / name for name in ("teacher", "student"))
    assert main(["train", *TINY, "--fast-dev-run", "--run", str(teacher)]) == 0
    told = [*STUDENT, "--teacher", str(teacher), "--fast-dev-run", "--train.learning_rate", "1e-12"]
    assert main(["train", *TINY, *told, "--run", str(student)]) == 0
    return teacher, student


def test_a_student_starts_from_the_weights_of_its_teacher(runs: tuple[Path, Path]):
    before, after = (load_trained(str(run)).model.state_dict() for run in runs)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0)


def test_a_student_draws_by_its_grid(runs: tuple[Path, Path], tmp_path: Path):
    loaded = load_model(str(runs[1]))
    drawn = loaded.sample(3, seed=1)
    assert loaded.sample(3, seed=1, decode="none").evaluations == 3
    assert drawn.evaluations == 4  # the last ends images of bytes as bytes
    assert torch.equal(loaded.sample(3, seed=1, evaluations=9).x, drawn.x)
    np.testing.assert_allclose(255 * drawn.x, (255 * drawn.x).round(), atol=1e-4)
    assert main(["sample", str(runs[1]), "-n", "3", "--seed", "1", "--out", str(tmp_path / "x.npz")]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "x.npz")["x"], drawn.x, atol=1e-6)
    assert torch.equal(
        loaded.sample(3, seed=1, sampler=Euler(), grid=Karras(2, sigma_max=10.0, sigma_min=0.4)).x, drawn.x
    )


@pytest.mark.parametrize(
    "asked",
    [
        ["sample", "--steps", "9"],
        ["sample", "--sampler", "heun"],
        ["sample", "--evaluations", "3"],
        ["likelihood", "-n", "2"],
        ["race", "-n", "2"],
        ["inpaint", "--image", "3", "--mask", "right"],
        ["evaluate", "-n", "20", "--likelihood", "2"],
    ],
    ids=" ".join,
)
def test_what_a_student_does_not_know_is_refused(
    asked: list[str], runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
):
    command, *more = asked
    assert main([command, str(runs[1]), *more]) == 2
    assert "was distilled" in capsys.readouterr().err


def test_a_teacher_is_needed_and_a_grid_learned_is_the_grid_drawn_by(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["train", *TINY, *STUDENT, "--dry-run", "--run", str(tmp_path / "a")]) == 2
    assert "learns from a trained model; name it: teacher=mnist" in capsys.readouterr().err
    assert main(["train", *TINY, "--teacher", str(runs[0]), "--dry-run", "--run", str(tmp_path / "c")]) == 2
    assert "belongs to objective.kind=distillation" in capsys.readouterr().err
    other = ["--sampling.grid.steps", "5", "--teacher", str(runs[0])]
    assert main(["train", *TINY, *STUDENT, *other, "--dry-run", "--run", str(tmp_path / "b")]) == 2
    assert "two grids" in capsys.readouterr().err
