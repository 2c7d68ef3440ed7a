"""What a person passes in Python is taken as it is meant, or refused in a sentence that says what to do."""

import numpy as np
import pytest
import torch
from torch import nn

import scorefield as sf

pytestmark = pytest.mark.usefixtures("seeded")


def model(net: nn.Module | None = None) -> sf.Denoiser:
    return sf.Denoiser(net or sf.MLP(dim=2, width=8), sf.EDM(), sigma_data=0.5)


def draw(of: sf.ScoreModel | None = None, **how) -> torch.Tensor:
    return sf.sample(
        of or sf.Exact(sf.Gaussian(torch.zeros(2)), sf.EDM()), sf.Heun(), (3, 2), grid=sf.Karras(3), **how
    ).x


SEEDS = [torch.tensor([1, 2, 3]), np.array([1, 2, 3]), np.array([1, 2, 3], dtype=np.uint8), range(1, 4), (1, 2, 3)]


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda seeds: type(seeds).__name__)
def test_seeds_come_from_any_library(seeds) -> None:
    assert torch.equal(draw(seeds=seeds), draw(seeds=[1, 2, 3]))


@pytest.mark.parametrize("seed", [torch.tensor(3), np.int64(3), np.uint8(3)], ids=lambda seed: type(seed).__name__)
def test_equal_seeds_are_one_seed(seed) -> None:
    assert torch.equal(draw(seed=seed), draw(seed=3))


@pytest.mark.parametrize(
    "how",
    [
        *(
            {"seeds": s}
            for s in (torch.tensor([1.0, 2, 3]), [1.5, 2, 3], 5, torch.tensor(5), torch.tensor([[1, 2, 3]]), "abc")
        ),
        *({"seed": s} for s in (3.0, "x", None, torch.tensor(1.0))),
    ],
    ids=str,
)
def test_what_is_no_seed_is_refused(how) -> None:
    with pytest.raises(ValueError, match="whole number"):
        draw(**how)


def test_calling_a_model_is_denoising() -> None:
    x, exact = torch.randn(4, 2), sf.Exact(sf.Gaussian(torch.zeros(2)), sf.EDM())
    assert torch.equal(exact(x, 0.5), exact.denoise(x, 0.5))
    assert torch.equal(exact.score(x, 1), exact.score(x, torch.tensor(1.0)))


@pytest.mark.parametrize("view", ["denoise", "score", "noise", "velocity"])
def test_an_array_is_no_state(view: str) -> None:
    with pytest.raises(sf.ConfigError, match=r"received ndarray: torch\.as_tensor"):
        getattr(model(), view)(np.zeros((4, 2), np.float32), 0.5)


class Own(nn.Module):
    def __init__(self, out: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(2, out)


class Alone(Own):
    def forward(self, x):
        return self.layer(x)


class Named(Own):
    def forward(self, x, *, t):
        return self.layer(x)


class Many(Own):
    def forward(self, x, t, mask, text):
        return self.layer(x)


class Labelled(Own):
    classes = 3

    def forward(self, x, noise):
        return self.layer(x)


class Wrapped(Own):
    def forward(self, x, *more, **settings):
        return self.layer(x)


class Optional(Own):
    def forward(self, x, sigma=None, scale=1.0):
        return self.layer(x)


@pytest.mark.parametrize("kind", [Alone, Named, Many, Labelled])
@pytest.mark.parametrize("parameterisation", ["Denoiser", "NoiseNet", "ScoreNet"])
def test_a_network_with_another_signature_is_refused_when_it_is_named(kind, parameterisation: str) -> None:
    more = {"sigma_data": 0.5} if parameterisation == "Denoiser" else {}
    with pytest.raises(sf.ConfigError, match=rf"net\(x, noise.*{kind.__name__}\.forward takes \("):
        getattr(sf, parameterisation)(kind(), sf.EDM(), **more)


@pytest.mark.parametrize("kind", [Wrapped, Optional])
def test_a_network_that_can_be_called_so_is_taken(kind) -> None:
    sf.fit(model(kind()), torch.randn(8, 2), sf.DSM(), steps=2, batch_size=4)
    assert draw(model(kind())).shape == (3, 2)


class Pair(Own):
    def forward(self, x, noise):
        return (self.layer(x), noise)


class Row(Own):
    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x, noise):
        return self.layer(x)


@pytest.mark.parametrize(("kind", "got"), [(Pair, "a tuple"), (Row, r"\(4, 1\)")])
def test_a_network_that_returns_something_else_is_refused(kind, got: str) -> None:
    with pytest.raises(sf.ConfigError, match=f"{kind.__name__} returned {got}"):
        sf.fit(model(kind()), torch.randn(8, 2), sf.DSM(), steps=2, batch_size=4)


@pytest.mark.parametrize("event", [(3,), (1, 3), (2, 2)])
def test_data_of_another_size_than_the_network_are_named(event) -> None:
    with pytest.raises(sf.ConfigError, match="the network was built for dim=2"):
        sf.fit(model(), torch.randn(8, *event), sf.DSM(), steps=1, batch_size=4)
