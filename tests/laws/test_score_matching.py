"""Laws of the objectives that need no denoising target: identities exact where they are, at a stated level where they are means."""

import math

import pytest
import torch
from torch import Tensor

from scorefield import (
    DAE,
    DSM,
    MLP,
    SSM,
    SSMVR,
    VE,
    VP,
    Denoiser,
    Exact,
    FiniteDifferenceSSM,
    FisherDivergence,
    FromScore,
    Gaussian,
    GaussianMixture,
    ImplicitSM,
    LogNormal,
    OneLevel,
    Process,
    UniformTime,
    likelihood_weight,
    sigma_weight,
    unit_weight,
)

from .cases import normal, seeded

PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
COVARIANCE = torch.tensor([[1.0, 0.4, 0.0], [0.4, 0.8, -0.2], [0.0, -0.2, 0.5]], dtype=torch.float64)
TRUTH = -torch.linalg.inv(COVARIANCE)
PROJECTIONS = ("gaussian", "rademacher", "sphere")
N = 20_000


def linear(matrix: Tensor, process: Process = PROCESS) -> FromScore:
    """Return a model whose score is x ↦ Ax at every time."""
    return FromScore(lambda x, t: x @ matrix.T, process)


def data(n: int = N, seed: int = 0) -> Tensor:
    return normal(n, 3, seed=seed) @ torch.linalg.cholesky(COVARIANCE).T


def z_score(values: Tensor, expected: float) -> float:
    return ((values.mean() - expected) / (values.std() / math.sqrt(len(values)))).item()


def test_implicit_score_matching_is_its_formula() -> None:
    matrix, x = normal(3, 3, seed=4), data(50)
    expected = 0.5 * (x @ matrix.T).square().sum(1) + matrix.trace()
    torch.testing.assert_close(ImplicitSM()(linear(matrix), x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("objective", [ImplicitSM(), SSM(), SSMVR(), FiniteDifferenceSSM()])
def test_the_gradient_vanishes_at_the_truth_and_not_beside_it(objective) -> None:
    """d/dc of the mean loss of the score c s at c = 1: a z-test at level 1e-5, and c = 0.9 is rejected."""

    def slope(c: float) -> float:
        scale = torch.full((N, 1), c, dtype=torch.float64, requires_grad=True)
        model = FromScore(lambda x, t: scale * (x @ TRUTH.T), PROCESS)
        (gradient,) = torch.autograd.grad(objective(model, data(), seeded(1)).sum(), scale)
        return z_score(gradient.flatten(), 0.0)

    assert abs(slope(1.0)) < 4.4
    assert abs(slope(0.9)) > 4.4


EVERY = (ImplicitSM, SSM, SSMVR, FiniteDifferenceSSM)


@pytest.mark.parametrize("process", [PROCESS, VP()])
@pytest.mark.parametrize("objective", EVERY)
def test_over_many_levels_the_gradient_vanishes_at_the_truth_at_each(objective, process) -> None:
    """As above at three levels apart and over all, for the truth of every noised distribution."""
    target = Gaussian(torch.zeros(3), COVARIANCE)
    exact = Exact(target, process)

    def slope(c: float, times) -> float:
        scale = torch.full((N, 1), c, dtype=torch.float64, requires_grad=True)
        model = FromScore(lambda x, t: scale * exact.score(x, t), process)
        (gradient,) = torch.autograd.grad(objective(times=times)(model, data(), seeded(1)).sum(), scale)
        return z_score(gradient.flatten(), 0.0)

    for times in (OneLevel(0.1), OneLevel(0.7), OneLevel(4.0), UniformTime()):
        assert abs(slope(1.0, times)) < 4.4
        assert abs(slope(0.9, times)) > 4.4


@pytest.mark.parametrize("process", [PROCESS, VP()])
@pytest.mark.parametrize("weight", [sigma_weight, unit_weight, likelihood_weight])
@pytest.mark.parametrize("objective", EVERY)
def test_over_many_levels_a_weight_means_what_it_means_to_the_fisher_divergence(objective, weight, process) -> None:
    """E[loss] is E[Fisher] less that of a score of zero, one t per example: a z-test at level 1e-5; with another weight it is not."""
    target, times, x = Gaussian(torch.zeros(3), COVARIANCE), LogNormal(0.0, 0.7), data()
    models = linear(normal(3, 3, seed=4), process), linear(torch.zeros(3, 3, dtype=torch.float64), process)
    explicit = [FisherDivergence(target, times, weight)(model, x, seeded(1)) for model in models]
    expected = explicit[0] - explicit[1]

    def gap(weight) -> float:
        return z_score(objective(times=times, weight=weight)(models[0], x, seeded(1)).detach() - expected, 0.0)

    assert abs(gap(weight)) < 4.4
    assert abs(gap(lambda process, t: weight(process, t) * process.ratio(t))) > 4.4
    if weight is sigma_weight:
        assert gap(None) == gap(weight)


@pytest.mark.parametrize("objective", EVERY)
def test_one_level_or_many_but_not_both_and_no_weight_at_one(objective) -> None:
    with pytest.raises(ValueError, match="give one"):
        objective(0.5, times=UniformTime())
    with pytest.raises(ValueError, match="without times"):
        objective(0.5, weight=sigma_weight)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("objective", [SSM, SSMVR, FiniteDifferenceSSM])
def test_slicing_is_unbiased(objective, projection: str) -> None:
    """The mean over v at one x equals the implicit loss there: z-tests, each at level 1e-5."""
    matrix = normal(3, 3, seed=4)
    x = torch.tensor([[0.5, -1.0, 0.3]], dtype=torch.float64).expand(N, 3)
    expected = ImplicitSM()(linear(matrix), x[:1]).item()
    values = objective(projection=projection)(linear(matrix), x, seeded(2))
    assert abs(z_score(values, expected)) < 4.4


@pytest.mark.parametrize(
    ("projection", "variance"),
    [
        ("gaussian", lambda m: 2 * m.square().sum()),
        ("rademacher", lambda m: 2 * (m - m.diag().diag()).square().sum()),
        ("sphere", lambda m: 2 * 3 / 5 * (m - m.trace() / 3 * torch.eye(3)).square().sum()),
    ],
)
def test_each_projection_has_its_own_variance(projection: str, variance) -> None:
    """Of vᵀMv, D = 3, at level 1e-5: all are unbiased, so only the variance tells one from another. M symmetric, or v sees its half."""
    for matrix in (torch.diag(torch.tensor([1.0, -2.0, 3.0])).double(), torch.eye(3).double(), TRUTH):
        x = torch.zeros(N, 3, dtype=torch.float64)
        curvature = SSMVR(projection=projection)(linear(matrix), x, seeded(7))  # pyright: ignore[reportArgumentType]
        squares = (curvature - matrix.trace()).square()
        expected = variance(matrix).item()
        if expected < 1e-12:
            assert squares.max().item() < 1e-20
        else:
            assert abs(z_score(squares, expected)) < 4.4


def test_a_sphere_without_its_dimension_is_rejected() -> None:
    """The projection of unit length, the commonest slip, misses the trace by a factor D."""
    matrix, x = normal(3, 3, seed=4), data(1).expand(N, 3)
    expected = ImplicitSM()(linear(matrix), x[:1]).item()
    v = torch.nn.functional.normalize(normal(N, 3, seed=5), dim=1)
    mutant = 0.5 * (v * (x @ matrix.T)).sum(1) ** 2 + (v @ matrix * v).sum(1)
    assert abs(z_score(mutant, expected)) > 4.4


def test_finite_differences_agree_with_derivatives() -> None:
    """On a curved score the error is O(ε²): a tenth of ε, a hundredth of the error."""
    model, x = Exact(GaussianMixture([[-1.0, 0.0], [1.0, 0.5]], 0.5), PROCESS), normal(200, 2)
    exact = SSMVR(ratio=0.5)(model, x, seeded(3))

    def gap(epsilon: float) -> float:
        return (FiniteDifferenceSSM(ratio=0.5, epsilon=epsilon)(model, x, seeded(3)) - exact).abs().max().item()

    assert gap(0.1) / gap(0.01) == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0])
def test_vincents_identity(sigma: float) -> None:
    """‖r(x̃) − x‖² = 2σ⁴ J_DSM on the same batch and noise, to 1e-6 relative; with 2σ² it fails."""
    model, x = linear(TRUTH), data(500)
    dae = DAE(sigma)(model, x, seeded(1))
    dsm = DSM(OneLevel(sigma), unit_weight)(model, x, seeded(1))
    torch.testing.assert_close(dae, 2 * sigma**4 * dsm, rtol=1e-6, atol=0)
    if sigma != 1:
        assert not torch.allclose(dae, 2 * sigma**2 * dsm, rtol=1e-2)


@pytest.mark.parametrize("process", [PROCESS, VP()])
def test_the_fisher_divergence_of_the_truth_is_zero_and_of_a_mutant_is_not(process) -> None:
    target = Gaussian(torch.zeros(3), COVARIANCE)
    objective = FisherDivergence(target, UniformTime())
    model, x = Exact(target, process), data(100)
    assert objective(model, x, seeded(0)).max().item() < 1e-20
    assert objective(FromScore(lambda x, t: 0.9 * model.score(x, t), process), x, seeded(0)).min().item() > 0


@pytest.mark.parametrize("weight", [sigma_weight, likelihood_weight])
def test_denoising_and_explicit_score_matching_differ_by_a_constant_in_the_model(weight) -> None:
    """E[DSM − Fisher] is the same for two models: a paired z-test at level 1e-5, on common noise; without its cross term it is not."""
    target = Gaussian(torch.zeros(3), COVARIANCE)
    times, x = OneLevel(0.7), data()
    models = [linear(TRUTH), linear(0.3 * TRUTH)]
    fisher = [FisherDivergence(target, times, weight)(m, x, seeded(6)) for m in models]
    dsm = [DSM(times, weight)(m, x, seeded(6)) for m in models]
    assert abs(z_score((dsm[0] - fisher[0]) - (dsm[1] - fisher[1]), 0.0)) < 4.4
    assert abs(z_score(dsm[0] - dsm[1], 0.0)) > 4.4


@pytest.mark.parametrize("process", [PROCESS, VP()])
def test_the_likelihood_weight_is_g_squared_on_the_score(process) -> None:
    t = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    alpha, sigma = process.alpha_sigma(t)
    _, g = process.drift_diffusion(t)
    torch.testing.assert_close(likelihood_weight(process, t), g**2 * (alpha / sigma**2) ** 2)


@pytest.mark.parametrize("bad", [lambda: DAE(0.0), lambda: OneLevel(-1.0), lambda: FiniteDifferenceSSM(epsilon=0.0)])
def test_bad_settings_are_refused(bad) -> None:
    with pytest.raises(ValueError, match="received"):
        bad()


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode], ids=lambda around: around.__name__)
@pytest.mark.parametrize("objective", EVERY, ids=lambda made: made.__name__)
def test_the_loss_can_be_looked_at_where_gradients_are_off(objective, around) -> None:
    model, x = Exact(Gaussian(torch.zeros(3), 0.5), PROCESS), data(20).float()
    expected = objective(ratio=0.5)(model, x, seeded(3))
    with around():
        found = objective(ratio=0.5)(model, x.clone(), seeded(3))
        assert not found.requires_grad
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=0)


def test_a_difference_of_scores_is_not_taken_in_bfloat16() -> None:
    """Of outputs of two to three digits, 2 epsilon = 0.02 apart, it was off by a third of the loss."""
    torch.manual_seed(0)
    model, x = Denoiser(MLP(dim=3), PROCESS, sigma_data=0.9), data(50).float()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    loss = FiniteDifferenceSSM(ratio=0.5)
    expected = loss(model, x, seeded(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(loss(model, x, seeded(3)), expected, rtol=0, atol=0)
