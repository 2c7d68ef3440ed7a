"""What passed in silence and meant something else: imaginary parts, bytes about a mean, misspelt words, a class for its object."""

import copy
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import scorefield as sf
from scorefield.advice import largest_distance
from scorefield.cli import main
from scorefield.cli.console import readable
from scorefield.data import Dataset
from scorefield.guidance import Project
from scorefield.metrics import c2st, nearest_neighbours, sliced_wasserstein
from scorefield.plotting import mass_level

RING, VE = sf.GaussianMixture.ring(), sf.VE(sigma_min=0.01, sigma_max=20.0)
EXACT, NET = sf.Exact(RING, VE), sf.MLP(dim=2, width=8, depth=1)
X = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
COMPLEX = X + 1j * X

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "complex samples": (lambda: sf.mmd(X, COMPLEX), "real numbers"),
    "complex samples of modes": (lambda: sf.mode_weights(COMPLEX, RING), "real numbers"),
    "complex units": (lambda: sf.Units.of(COMPLEX), "real numbers"),
    "a complex mean": (lambda: sf.Gaussian(COMPLEX[0]), "mean must be .* real numbers"),
    "a complex matrix": (lambda: Project(COMPLEX[:1]), "matrix must be .* real numbers"),
    "a complex time": (lambda: EXACT.score(X, torch.tensor(0.5 + 0j)), "a time must be real"),
    "what holds the samples": (lambda: sf.mmd(Dataset(X, None, "x"), X), "whose attribute x is one"),  # pyright: ignore[reportArgumentType]
    "a misspelt start": (lambda: sf.Denoiser(NET, VE, 2.0, start="moment"), "did you mean moments"),  # pyright: ignore[reportArgumentType]
    "a bend of no size": (lambda: sf.Banana(curvature=float("nan")), "curvature"),
    "a class of times": (lambda: sf.DSM(sf.LogNormal), r"write LogNormal\("),  # pyright: ignore[reportArgumentType]
    "a model for its score": (lambda: sf.FromScore(EXACT, VE), r"give its \.score"),
    "modes and a half": (lambda: sf.GaussianMixture.ring(modes=2.5), "modes must be a whole number"),  # pyright: ignore[reportArgumentType]
    "a noise level for a time": (lambda: sf.fisher_divergence(EXACT, RING, t=20.0), r"t must lie in"),
    "units of other columns": (lambda: sf.Units.of(X[:, [0, 1, 0]]).inside(X), r"shape \(3,\).*shape \(2,\)"),
    "a model that is compiled": (
        lambda: sf.sample(torch.compile(EXACT), sf.Euler(), (3, 2), grid=sf.Karras(2)),  # pyright: ignore[reportArgumentType]
        "whose attribute _orig_mod is one",
    ),
    "masked samples": (lambda: sf.mmd(X, np.ma.masked_less(X.numpy(), 0)), "masked"),  # pyright: ignore[reportArgumentType]
    "sparse samples": (lambda: sf.mmd(X, X.to_sparse()), r"to_dense\(\)"),
    "data far wider than said": (lambda: sf.fit(sf.Denoiser(NET, VE, 0.05), X, sf.DSM(), steps=1), r"Units\.of"),
    "data far from the mean said": (
        lambda: sf.fit(sf.Denoiser(NET, VE, 1.0, -20.0), X, sf.DSM(), steps=1),
        r"Units\.of",
    ),
    "data far narrower than said": (lambda: sf.fit(sf.Denoiser(NET, VE, 2000.0), X, sf.DSM(), steps=1), r"Units\.of"),
    "a matrix for an operator": (lambda: sf.LinearGaussian(EXACT, torch.eye(2), X[:1], 0.1), "LinearOperator"),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_mean_something_else_is_refused_in_a_sentence(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        make()


def test_a_score_is_compiled_whole() -> None:
    model = sf.Denoiser(NET, VE, 2.0)
    compiled = torch.compile(model.score, backend="eager", fullgraph=True)
    assert torch.equal(compiled(X, torch.tensor(0.5)), model.score(X, torch.tensor(0.5)))


def test_arrays_and_lists_are_measured_as_tensors_are() -> None:
    units = sf.Units.of(X)
    assert sf.Units.of(X.numpy()).agrees(units)  # pyright: ignore[reportArgumentType]
    assert sf.Units.of(X.tolist()).agrees(units)  # pyright: ignore[reportArgumentType]
    assert sf.mode_weights(X.numpy(), RING).shares == sf.mode_weights(X, RING).shares  # pyright: ignore[reportArgumentType]
    given = sf.LinearGaussian(EXACT, Project([[1.0, 0.0]]), np.ones((1, 1), "f4"), 0.1)  # pyright: ignore[reportArgumentType]
    assert given.denoise(X, 0.5).shape == X.shape


@pytest.mark.parametrize("layout", ["reversed", "big-endian", "long", "read-only"])
@pytest.mark.filterwarnings("error")
def test_arrays_mean_their_numbers_however_they_lie_in_memory(layout: str) -> None:
    x = X.numpy().copy()
    arrays = {
        "reversed": x[::-1].copy()[::-1],
        "big-endian": x.astype(">f4"),
        "long": x.astype(np.longdouble),
        "read-only": x,
    }
    x.flags.writeable = False
    assert sf.mmd(arrays[layout], X[:20]) == sf.mmd(X, X[:20])


def test_units_of_what_has_a_gradient_can_be_copied() -> None:
    assert copy.deepcopy(sf.Units.of(X.clone().requires_grad_())) == sf.Units.of(X)


def test_a_process_that_ends_above_the_data_is_warned_of() -> None:
    """E[x_0 | x] at σ = 0.01 of data of deviation s deviates by s²/√(s² + σ²): half of it is lost where s = σ/√3."""
    narrow = sf.Exact(sf.Gaussian([0.0, 0.0], 1e-4 / 3), VE)
    with pytest.warns(UserWarning, match="will vary less"):
        drawn = sf.sample(narrow, sf.Heun(), (2000, 2), grid=sf.Karras(40))
    assert drawn.x.std().item() == pytest.approx(0.5 * 0.01 / 3**0.5, rel=0.05)
    with warnings.catch_warnings(action="error"):
        sf.sample(EXACT, sf.Heun(), (1, 2), grid=sf.Karras(1))
        sf.sample(narrow, sf.Heun(), (1, 2), grid=sf.Karras(1), denoise=False)


@pytest.mark.parametrize("row", [0, 1])
def test_rare_events_are_no_other_scale(seeded: None, row: int) -> None:
    """Of 10 000 numbers one is 1, the rest 0: in their own units a batch holds a 50, or nothing beyond -0.005."""
    x = torch.zeros(10_000, 1)
    x[0] = 1
    model = sf.Denoiser(sf.MLP(dim=1, width=8), VE, 0.5).in_units(sf.Units.of(x))
    assert len(sf.fit(model, x[row : row + 4], sf.DSM(), steps=1)) == 1


SEEDED: dict[str, Callable[[Any], Any]] = {
    "fisher": lambda seed: sf.fisher_divergence(EXACT, RING, n=20, seed=seed),
    "c2st": lambda seed: c2st(X[:15], X[15:30], seed=seed),
    "sliced": lambda seed: sliced_wasserstein(X[:15], X[15:30], projections=5, seed=seed),
    "modes": lambda seed: sf.mode_weights(X, RING, seed=seed),
    "advice": lambda seed: largest_distance(X.repeat(100, 1), seed=seed),
    "plotting": lambda seed: mass_level(RING, 0.9, n=20, seed=seed),
}


@pytest.mark.parametrize("case", SEEDED)
def test_a_seed_is_a_whole_number_of_any_library(case: str) -> None:
    call = SEEDED[case]
    assert call(np.int64(3)) == call(torch.tensor(3)) == call(3)
    for seed in (-1, 2**63, 2**64 - 1):
        call(seed)
    for seed in (1.5, "3", None):
        with pytest.raises(ValueError, match="seed must be a whole number"):
            call(seed)


def test_neighbours_of_bytes_are_those_of_the_same_numbers() -> None:
    """About their mean bytes are negative too: as bytes again they would be others."""
    x = torch.randint(0, 256, (40, 1, 4, 4), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    found, expected = (nearest_neighbours(a[:20], a[20:]) for a in (x, x.float()))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("number", "told"),
    [(1, "1 B"), (999.4, "999 B"), (999.6, "1 kB"), (20_480, "20.5 kB"), (3.21e9, "3.21 GB"), (4.56e13, "45600 GB")],
)
def test_memory_is_told_in_units_that_people_write(number: float, told: str) -> None:
    assert readable(number, ("B", "kB", "MB", "GB")) == told


def test_the_dry_run_of_a_small_thing_costs_something(capsys) -> None:
    network = ["--network.kind", "mlp", "--network.width", "4", "--network.depth", "1"]
    assert (
        main(["train", "--data.kind", "digits", *network, "--train.batch_size", "1", "--device", "cpu", "--dry-run"])
        == 0
    )
    told = capsys.readouterr().out
    assert re.search(r"memory   \d+(\.\d+)? kB for 1 example at a time", told)
    assert re.search(r"work     \d+(\.\d+)? thousand operations a step", told)
