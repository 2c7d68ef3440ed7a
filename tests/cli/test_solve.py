"""``scorefield solve``: measurements are those of the operator and the noise asked for, and what is drawn answers to them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from restoring import TINY, npz, refused, report, train

from scorefield.cli import main
from scorefield.cli.images import operator
from scorefield.cli.options import MEASURED
from scorefield.guidance import Blur, Downsample


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the 8×8 digits."""
    return train(tmp_path_factory.mktemp("digits") / "tiny", "--data.kind", "digits")


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 8×8 images in colour."""
    folder = tmp_path_factory.mktemp("colours")
    np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 256, (60, 3, 8, 8), dtype=np.uint8))
    return train(folder / "run", "--data.kind", "path", "--data.path", str(folder / "x.npy"))


def ask(run: Path, out: Path, *more: str) -> list[str]:
    given = {"--image": "3", "--problem": "downsample:2", "--steps": "2", "-n": "3", "--out": str(out)}
    given = {key: value for key, value in given.items() if key not in more}
    return ["solve", str(run), *(word for pair in given.items() for word in pair), *more]


def ask_of(problem: str, run: Path, colours: Path, out: Path, *more: str) -> list[str]:
    return ask(colours if problem == "grey" else run, out, "--problem", problem, *more)


PROBLEMS = ["downsample:2", "blur:0.8", "grey", "project:10"]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_measurement_is_of_the_truth_with_the_noise_asked_for(
    run: Path, colours: Path, tmp_path: Path, problem: str
):
    out = tmp_path / "x.npz"
    residuals = []
    for seed in range(4):
        more = ["--noise", "0.2", "--seed", str(seed), "--steps", "2", "-n", "1"]
        assert main(ask_of(problem, run, colours, out, *more)) == 0
        got = npz(out)
        assert not got["hidden"].any()
        A = operator(problem, got["truth"].shape, seed)
        residuals.append(got["y"] - A.apply(torch.from_numpy(got["truth"])[None])[0].numpy())
    assert not np.array_equal(residuals[0], residuals[1])
    z = np.concatenate([residual.ravel() for residual in residuals]) / 0.2
    assert abs(z.mean()) < 4 / len(z) ** 0.5
    assert abs((z**2).mean() - 1) < 4 * (2 / len(z)) ** 0.5


def test_operators_are_those_of_their_names():
    x = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(operator("downsample:4", (3, 12, 12), 0).apply(x), Downsample(4).apply(x))
    assert torch.equal(operator("blur:1.5", (3, 12, 12), 0).apply(x), Blur.gaussian(1.5).apply(x))
    assert torch.allclose(operator("grey", (3, 12, 12), 0).apply(x), x.mean(1, keepdim=True))
    projected = [operator("project:20", (3, 12, 12), seed).apply(x) for seed in (0, 0, 1)]
    assert projected[0].shape == (2, 20)
    assert torch.equal(projected[0], projected[1])
    assert not torch.equal(projected[0], projected[2])
    # Vectors of N(0, I/D) keep, in the mean, the mean square of an image.
    many = operator("project:432", (3, 12, 12), 0).apply(x)
    assert (many**2).mean() == pytest.approx((x**2).mean().item(), rel=0.25)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", MEASURED)
def test_the_report_is_about_what_is_written(
    capsys, run: Path, colours: Path, tmp_path: Path, method: str, problem: str
):
    out = tmp_path / "x.npz"
    more = ["--particles", "2"] if method == "particles" else []
    told = report(capsys, *ask_of(problem, run, colours, out, "--method", method, *more))
    got = npz(out)
    errors = ((got["x"] - got["truth"]) ** 2).mean((1, 2, 3))
    assert told["mse"] == pytest.approx(errors, abs=1e-6)
    assert told["mse_mean"] == pytest.approx(errors.mean(), abs=1e-6)
    x = torch.from_numpy(got["x"])
    misfit = operator(problem, tuple(x.shape[1:]), 0).apply(x).numpy() - got["y"]
    assert told["misfit"] == pytest.approx((misfit**2).mean() ** 0.5, rel=1e-4)
    assert (told["method"], told["n"], told["noise"], told["hidden"]) == (method, 3, 0.05, None)
    assert told["problem"] == f"{problem}, noise 0.05"


@pytest.mark.parametrize("method", MEASURED)
def test_what_is_drawn_answers_to_the_measurement(capsys, run: Path, tmp_path: Path, method: str):
    """A network of four steps knows nothing, so that whatever fits the block means does so by guidance; clipping to [0, 1] costs some."""
    arguments = ask(run, tmp_path / "x.npz", "--steps", "30", "--noise", "0.02", "--method", method)
    told = report(capsys, *arguments, *(["--particles", "4"] if method == "particles" else []))
    free = str(tmp_path / "free.npz")
    assert main(["sample", str(run), "--seeds", "0-2", "--sampler", "ancestral", "--steps", "30", "--out", free]) == 0
    means = Downsample(2).apply(torch.from_numpy(npz(Path(free))["x"])).numpy()
    unguided = ((means - npz(tmp_path / "x.npz")["y"]) ** 2).mean() ** 0.5
    assert told["misfit"] < 0.5 * unguided


@pytest.mark.parametrize(
    "problem",
    ["blur:0.8", "grey", *(pytest.param(each, marks=pytest.mark.slow) for each in ("downsample:2", "project:10"))],
)
def test_every_problem_has_a_panel(run: Path, colours: Path, tmp_path: Path, problem: str):
    paths = [tmp_path / f"{k}.png" for k in range(2)]
    for path in paths:
        assert main(ask_of(problem, run, colours, path)) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as picture:
        assert picture.width > 2 * picture.height > 600


def test_a_sampler_of_ones_own_choice_is_guided(capsys, run: Path, tmp_path: Path):
    told = report(capsys, *ask(run, tmp_path / "x.npz", "--sampler", "heun"))
    assert told["sampler"]["kind"] == "heun"
    assert told["evaluations_per_sample"] == 2 * (2 * 2 + 1)
    told = report(capsys, *ask(run, tmp_path / "x.npz"))
    assert told["sampler"]["kind"] == "ancestral"
    assert told["evaluations_per_sample"] == 2 * (2 + 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--problem", "sharpen"], ["--problem sharpen", "downsample:4", "blur:1.5", "grey", "project:100"]),
        (["--problem", "grey"], ["--problem grey", "colours"]),
        (["--problem", "grey:2"], ["--problem grey:2", "downsample:4"]),
        (["--problem", "downsample"], ["--problem downsample", "at least 2"]),
        (["--problem", "downsample:1"], ["downsample:1", "at least 2"]),
        (["--problem", "downsample:2.5"], ["downsample:2.5", "whole number"]),
        (["--problem", "downsample:inf"], ["downsample:inf", "whole number"]),
        (["--problem", "downsample:3"], ["blocks of 3", "(1, 8, 8)"]),
        (["--problem", "blur:0"], ["blur:0", "above 0"]),
        (["--problem", "blur:nan"], ["blur:nan", "above 0"]),
        (["--problem", "blur:5"], ["kernel", "(1, 8, 8)"]),
        (["--problem", "project:0"], ["project:0", "1 to 64"]),
        (["--problem", "project:65"], ["project:65", "1 to 64"]),
        (["--problem", "project:1.5"], ["project:1.5", "1 to 64"]),
        (["--noise", "-1"], ["--noise", "-1"]),
        (["--noise", "nan"], ["noise", "nan"]),
        (["--noise", "inf"], ["noise", "inf"]),
        (["--problem", "blur:1", "--noise", "0"], ["cannot be inverted", "noise"]),
        (["--method", "repaint"], ["method", "repaint", "pigdm"]),
        (["--method", "pigdm", "--zeta", "1"], ["--zeta", "dps", "pigdm"]),
        (["--method", "pigdm", "--particles", "2"], ["--particles", "pigdm"]),
        (["--image", "297"], ["--image 297", "0 to 296"]),
        (["--out", "x.mp4"], ["x.mp4", ".png"]),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(
    capsys, run: Path, tmp_path: Path, arguments: list[str], words: list[str]
):
    refused(capsys, ask(run, tmp_path / "x.npz", *arguments), *words)
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("shape", [(6,), (1, 16), (2, 8, 8)])
def test_what_no_picture_shows_is_measured_and_restored(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", (10 + 3 * np.random.default_rng(0).normal(size=(60, *shape))).astype(np.float32))
    network = ["--network.kind", "mlp"] if len(shape) == 1 else []
    more = ["--data.kind", "path", "--data.path", "x.npy", *network, *TINY]
    assert main(["train", *more, "--run", "run"]) == 0
    for problem in ("project:3", "downsample:2", "blur:0.6", *(["grey"] if shape[0] == 2 else [])):
        told = report(capsys, "solve", "run", "--image", "3", "--problem", problem, "--steps", "2", "-n", "2")
        got = npz(tmp_path / "solve.npz")
        assert told["out"] == "solve.npz"
        assert got["x"].shape == (2, *shape)
        exact = operator(problem, shape, 0).apply(torch.from_numpy(got["truth"])[None])[0].numpy()
        assert 0 < np.abs(got["y"] - exact).max() < 0.5
    refused(capsys, ["solve", "run", "--image", "3", "--problem", "project:3", "--out", "x.png"], ".npz", str(shape))


def test_the_whole_path_on_mnist(capsys, mnist_dir: Path, tmp_path: Path):
    """The shipped model, and a digit of the test set."""
    out = tmp_path / "x.png"
    arguments = ["solve", "mnist", "--image", "0", "--problem", "downsample:4", "--data-dir", str(mnist_dir)]
    assert main([*arguments, "--steps", "3", "-n", "2", "--out", str(out)]) == 0
    line = capsys.readouterr().out
    assert "mnist 0, downsample:4, noise 0.05, 2 restored by pigdm: MSE" in line
    assert out.stat().st_size > 0
