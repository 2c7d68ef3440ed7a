"""`torch.func` over scores, formulas or found by automatic differentiation: vmap, jacrev, jacfwd and what is made of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.func import grad, jacfwd, jacrev, jvp, vmap

from scorefield import VE, Density, Exact

from .cases import DENSITIES, seeded

# The annulus's quadrature and the checkerboard's log_ndtr have no batching rule of their own: PyTorch says that it goes row by row.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")


def rows_of(density: Density) -> Tensor:
    return density.sample(3, seeded(0)).double()


def of_one(score: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the score of a single event."""
    return lambda x: score(x[None])[0]


@pytest.mark.parametrize("name", DENSITIES)
def test_a_score_is_mapped_and_differentiated_as_any_function(name: str) -> None:
    density = DENSITIES[name]
    x, score = rows_of(density), of_one(density.score)
    expected = torch.stack([jacobian(score, row) for row in x])  # pyright: ignore[reportArgumentType, reportCallIssue]
    torch.testing.assert_close(vmap(score)(x), density.score(x))
    torch.testing.assert_close(vmap(grad(lambda row: density.log_prob(row[None])[0]))(x), density.score(x))
    for way in (jacrev, jacfwd):
        torch.testing.assert_close(vmap(way(score))(x), expected)
    along = jvp(density.score, (x,), (torch.ones_like(x),))[1]
    torch.testing.assert_close(along, expected.flatten(1 + len(density.event)).sum(dim=-1))


@pytest.mark.parametrize("name", ["banana", "gaussian-full"])
def test_so_is_that_of_an_exact_model_at_a_time(name: str) -> None:
    model, x = Exact(DENSITIES[name], VE()), rows_of(DENSITIES[name])
    t = torch.tensor(0.3, dtype=torch.float64)
    for view in (model.score, model.denoise):
        torch.testing.assert_close(vmap(of_one(lambda x, view=view: view(x, t)))(x), view(x, t))
