"""Numbers densities agree with, and parameters they refuse."""

import math
from collections.abc import Callable

import pytest
import torch

from scorefield import Empirical, Gaussian, GaussianMixture

from .cases import normal


def test_golden_score_and_responsibilities_of_the_two_modes_of_song_2019() -> None:
    density = GaussianMixture.song2019()
    x = torch.tensor([[0.0, 0.0], [-1.0, -0.5]], dtype=torch.float64)
    expected = torch.tensor([[3.0, 3.0], [-3.99998776, -4.49998776]], dtype=torch.float64)
    torch.testing.assert_close(density.score(x), expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(density.responsibilities(x)[0], torch.tensor([0.2, 0.8], dtype=torch.float64))


def test_a_component_of_weight_zero_is_absent() -> None:
    with_ghost = GaussianMixture([[0.0, 0.0], [9.0, 9.0]], 1.0, [1.0, 0.0])  # pyright: ignore[reportArgumentType]
    x = normal(20, 2)
    torch.testing.assert_close(with_ghost.score(x), -x)
    torch.testing.assert_close(with_ghost.log_prob(x), Gaussian([0.0, 0.0]).log_prob(x))


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "NaN mean": (lambda: Gaussian([math.nan, 0.0]), "mean must be finite"),
    "infinite variance": (lambda: Gaussian([0.0, 0.0], math.inf), "covariance must be finite"),
    "scalar mean": (lambda: Gaussian(0.0), "mean must have the shape of an event"),
    "flat means": (lambda: GaussianMixture([0.0, 1.0]), r"means must have shape \(k, \*d\)"),
    "a ring of no modes": (lambda: GaussianMixture.ring(modes=0), "modes must be a whole number"),
    "negative weight": (lambda: GaussianMixture(normal(2, 2), 1.0, [1.5, -0.5]), "weights must be 2 non-negative"),
    "weights all zero": (lambda: GaussianMixture(normal(2, 2), 1.0, [0.0, 0.0]), "not all zero"),
    "a weight too many": (lambda: GaussianMixture(normal(2, 2), 1.0, [0.2, 0.3, 0.5]), "weights must be 2"),
    "NaN weight": (lambda: GaussianMixture(normal(2, 2), 1.0, [math.nan, 1.0]), "weights must be finite"),
    "not symmetric": (lambda: Gaussian([0.0, 0.0], torch.tensor([[1.0, 0.5], [0.0, 1.0]])), "symmetric"),
    "singular": (lambda: Gaussian([0.0, 0.0], torch.ones(2, 2)), "positive definite"),
    "variance zero": (lambda: Gaussian([0.0, 0.0], 0.0), "positive definite"),
    "covariance of another size": (lambda: Gaussian([0.0, 0.0], torch.eye(3)), "covariances must be a number"),
    "no points": (lambda: Empirical(torch.zeros(0, 2)), "n ≥ 1"),
    "complex points": (lambda: Empirical(torch.zeros(3, 2, dtype=torch.complex64)), "real numbers"),
    "NaN points": (lambda: Empirical(torch.full((3, 2), math.nan)), "must be finite"),
    "points without noise": (lambda: Empirical(normal(3, 2)).log_prob(normal(1, 2)), "no density"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters_are_refused_with_a_reason(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        make()
