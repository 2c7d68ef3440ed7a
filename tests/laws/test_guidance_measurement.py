"""Laws of linear measurements: ΠGDM is Bayes' rule for isotropic Gaussian data, under every operator, process and sampler."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from scipy import integrate
from torch import Tensor

from scorefield import (
    DDIM,
    DPS,
    VE,
    VP,
    AdaptiveODE,
    Ancestral,
    Blur,
    Constant,
    Downsample,
    DPMpp2M,
    Euler,
    EulerMaruyama,
    Exact,
    FromScore,
    Gaussian,
    Heun,
    Langevin,
    LangevinCorrector,
    LinearGaussian,
    LinearOperator,
    LogSNR,
    Mask,
    MatrixFree,
    Noise,
    PredictorCorrector,
    Process,
    Product,
    Project,
    ReverseDiffusion,
    Ring,
    Sampler,
    ScoreModel,
    sample,
)
from scorefield.grids import steps_of
from scorefield.guidance.measurement import Guide
from turns import in_turn, one_in

from .altered import AlteredSampler
from .cases import PROCESSES, normal, times_inside
from .guided import OPERATORS, Moments, dense, posterior

STD, NOISE = 0.8, 0.3
operators = pytest.mark.parametrize("name", OPERATORS)


# --- operators -------------------------------------------------------------------------------------------------------------------


@operators
def test_an_operator_its_adjoint_and_its_inverse_are_those_of_its_matrix(name: str) -> None:
    A, event = OPERATORS[name]
    matrix, x = dense(A, event), normal(5, *event)
    image = A.apply(x)
    torch.testing.assert_close(image.flatten(1), x.flatten(1) @ matrix.T)
    v = normal(*image.shape, seed=1)
    torch.testing.assert_close(A.adjoint(v), (v.flatten(1) @ matrix).reshape(x.shape))
    prior = normal(5, seed=2) ** 2
    covariance = prior[:, None, None] * (matrix @ matrix.T) + 0.1 * torch.eye(len(matrix), dtype=torch.float64)
    solved = torch.linalg.solve(covariance, v.flatten(1))
    torch.testing.assert_close(A.solve(v, prior, 0.1).flatten(1), solved, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(A.solve(v, prior[0], 0.1)[0], A.solve(v, prior, 0.1)[0], rtol=1e-8, atol=1e-10)


def test_a_blur_wraps_around_and_keeps_its_middle() -> None:
    A, _ = OPERATORS["blur-signal"]
    spike = torch.zeros(1, 7, dtype=torch.float64)
    spike[0, 0] = 1.0
    expected = torch.tensor([[0.5, 0.1, 0, 0, 0, 0, 0.2]], dtype=torch.float64)
    torch.testing.assert_close(A.apply(spike), expected)


# --- the score -------------------------------------------------------------------------------------------------------------------

Build = Callable[[ScoreModel, LinearOperator, Tensor, float, float], ScoreModel]


def is_bayes_rule(build: Build, name: str, process: Process) -> None:
    """The guided score is that of the noised posterior, which is Gaussian with a full covariance, to 1e-10."""
    A, event = OPERATORS[name]
    matrix, mean = dense(A, event), normal(*event, seed=3)
    y = A.apply(normal(1, *event, seed=5))
    eye = torch.eye(mean.numel(), dtype=torch.float64)
    centre, covariance = posterior(mean.flatten(), STD**2 * eye, matrix, y.flatten(), NOISE)
    exact = Exact(Gaussian(centre.reshape(event), covariance), process)
    guided = build(Exact(Gaussian(mean, STD**2), process), A, y, NOISE, STD)
    x, t = 2 * normal(6, *event, seed=6), times_inside(process, 6)
    torch.testing.assert_close(guided.score(x, t), exact.score(x, t), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(guided.denoise(x, t[0]), exact.denoise(x, t[0]), rtol=1e-9, atol=1e-9)


@operators
@pytest.mark.parametrize("process", PROCESSES)
def test_pigdm_on_isotropic_gaussian_data_is_the_score_of_the_posterior(name: str, process: str) -> None:
    is_bayes_rule(LinearGaussian, name, PROCESSES[process])


class Mutant(LinearGaussian):
    """ΠGDM with one thing wrong."""

    def __init__(self, model: ScoreModel, A: LinearOperator, y: Tensor, noise: float, std: float, wrong: str) -> None:
        super().__init__(model, A, y, noise, std)
        self.wrong = wrong
        if wrong == "measurement noise ignored":
            self.variance = 1e-12
        if wrong == "noise, not its variance":
            self.variance = noise

    def spread(self, t: Tensor) -> Tensor:
        if self.wrong == "r for r²":
            return super().spread(t).sqrt()
        if self.wrong == "law of x_0 given x_t a point":
            return 0 * super().spread(t)
        if self.wrong == "σ for ρ":
            _, sigma = self.process.alpha_sigma(t)
            return (self.sigma_data * sigma) ** 2 / (self.sigma_data**2 + sigma**2)
        return super().spread(t)

    def guide(self, x: Tensor, t: Tensor) -> Guide:
        found = super().guide(x, t)
        if self.wrong == "sign of the guidance":
            return found._replace(pull=-found.pull)
        if self.wrong == "Jacobian forgotten":
            weighted = self.A.solve(self.misfit(found.denoised), self.spread(t), self.variance)
            return found._replace(pull=self.A.adjoint(weighted))
        return found


WRONG = [
    "sign of the guidance",
    "measurement noise ignored",
    "noise, not its variance",
    "r for r²",
    "law of x_0 given x_t a point",
    "σ for ρ",
    "Jacobian forgotten",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_guidance_with_one_thing_wrong_is_not(wrong: str) -> None:
    with pytest.raises(AssertionError):
        is_bayes_rule(lambda *problem: Mutant(*problem, wrong), "project", VP())


class WithoutTranspose(Project):
    """A square matrix whose adjoint is itself."""

    def __init__(self) -> None:
        super().__init__(torch.tensor([[1.0, 0.5], [0.0, 1.0]]))

    def adjoint(self, v: Tensor) -> Tensor:
        return v @ self.matrix.T.to(v)


def test_an_adjoint_that_is_not_the_operators_is_refused() -> None:
    model = Exact(Gaussian([0.0, 0.0]), VE())
    with pytest.raises(ValueError, match="the adjoint is not A's"):
        LinearGaussian(model, WithoutTranspose(), torch.zeros(1, 2), 0.1)


def test_the_default_spread_is_the_papers() -> None:
    process = PROCESSES["EDM"]
    model = LinearGaussian(Exact(Gaussian([0.0]), process), Project(torch.eye(1)), torch.zeros(1, 1), 0.1)
    sigma = torch.tensor([0.1, 1.0, 30.0], dtype=torch.float64)
    torch.testing.assert_close(model.spread(sigma), sigma**2 / (sigma**2 + 1))


def test_the_gradient_passes_through_a_score_that_is_itself_a_gradient() -> None:
    """`Ring` differentiates its log-probability for its score; the pull must be the finite difference of the fit all the same."""
    process = VE(sigma_min=0.05, sigma_max=10.0)
    model = LinearGaussian(Exact(Ring(2.0, 0.4), process), Project(torch.tensor([[1.0, 0.3]])), torch.ones(1, 1), 0.2)
    x, t, h = normal(4, 2), torch.tensor(0.5, dtype=torch.float64), 1e-5
    pull = model.guide(x, t).pull
    weight = model.A.solve(model.misfit(model.model.denoise(x, t)), model.spread(t), model.variance)
    for c in range(2):
        step = h * torch.eye(2, dtype=torch.float64)[c]
        slope = (model.model.denoise(x + step, t) - model.model.denoise(x - step, t)) / (2 * h)
        torch.testing.assert_close(pull[:, c], (slope * model.A.adjoint(weight)).sum(1), rtol=1e-5, atol=1e-6)


# --- sampling --------------------------------------------------------------------------------------------------------------------

EVENT = (2,)
A = Project(torch.tensor([[0.6, 0.9]], dtype=torch.float64))
Y = torch.tensor([[1.4]], dtype=torch.float64)
MEAN = torch.tensor([1.0, -0.5], dtype=torch.float64)
POSTERIOR = Moments(*posterior(MEAN, STD**2 * torch.eye(2, dtype=torch.float64), A.matrix, Y[0], NOISE))
ROUTES: dict[str, Process] = {"VE": VE(sigma_min=0.05, sigma_max=10.0), "VP": VP()}
# A range narrow enough that 256 steps are small for methods of first order too.
NARROW = VE(sigma_min=0.3, sigma_max=2.0)
STEPS = 256


@dataclass(frozen=True)
class Run:
    """A sampler, the normal vectors it draws in 256 steps, and its error on the narrow and on the whole range."""

    sampler: Sampler
    draws: int = 0
    narrow: float = 1e-2
    whole: float = 1e-2


FOLLOW = {
    "Euler": Run(Euler(), whole=3e-2),
    "Heun": Run(Heun(), narrow=1e-4, whole=1e-3),
    "HeunChurned": Run(Heun(churn=10.0), STEPS),
    "AdaptiveODE": Run(AdaptiveODE(1e-4, 1e-4), narrow=1e-3, whole=1e-3),
    "DPMpp2M": Run(DPMpp2M(), narrow=1e-4, whole=1e-3),
    "DDIM": Run(DDIM(eta=0.5), STEPS, whole=3e-2),
    "Ancestral": Run(Ancestral(), STEPS, whole=5e-2),
    "ReverseDiffusion": Run(ReverseDiffusion(), STEPS, whole=3e-2),
    "EulerMaruyama": Run(EulerMaruyama(), STEPS, whole=2e-2),
    "PredictorCorrector": Run(PredictorCorrector(EulerMaruyama(), LangevinCorrector(snr=0.05)), 2 * STEPS),
}


def problem(process: Process) -> LinearGaussian:
    return LinearGaussian(Exact(Gaussian(MEAN, STD**2), process), A, Y, NOISE, STD)


def reaches_the_posterior(run: Run, process: Process, times: Tensor, within: float = 1e-2) -> None:
    """Relative error of mean and covariance after a run, by the exact recursion."""
    begin, end = (POSTERIOR.noised(process, t) for t in (times[0], times[-1]))
    times = times[[0, -1]] if isinstance(run.sampler, AdaptiveODE) else times  # it chooses its own
    assert begin.through(problem(process), run.sampler, times, run.draws, EVENT).error(end) < within


@pytest.mark.promise("D12")
@pytest.mark.parametrize("name", one_in(2, FOLLOW))
def test_every_sampler_reaches_the_posterior_in_256_steps(name: str) -> None:
    reaches_the_posterior(FOLLOW[name], NARROW, LogSNR(STEPS).times(NARROW), FOLLOW[name].narrow)


@pytest.mark.parametrize(("name", "process"), in_turn(FOLLOW, ROUTES))
def test_over_the_whole_range_first_order_methods_are_within_their_order(name: str, process: str) -> None:
    reaches_the_posterior(FOLLOW[name], ROUTES[process], LogSNR(STEPS).times(ROUTES[process]), FOLLOW[name].whole)


@pytest.mark.parametrize("sampler", [Langevin(step_size=0.03), LangevinCorrector(snr=0.09)])
def test_a_chain_leaves_the_posterior_invariant(sampler: Sampler) -> None:
    process = ROUTES["VE"]
    times = Constant(process.time(torch.tensor(1.0, dtype=torch.float64)).item(), STEPS).times(process)
    reaches_the_posterior(Run(sampler, STEPS), process, times)


BROKEN = {
    "score 1 % too small": (Run(AlteredSampler(Heun(), score=lambda p, t: 0.99)), STEPS),
    "noise 1 % too small": (Run(AlteredSampler(Ancestral(), noise=lambda t, s: 0.99), STEPS), STEPS),
    "too few steps": (Run(Euler()), 64),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_sampler_that_is_off_by_little_does_not(name: str) -> None:
    run, steps = BROKEN[name]
    with pytest.raises(AssertionError):
        reaches_the_posterior(run, NARROW, LogSNR(steps).times(NARROW))


def test_samples_have_these_moments() -> None:
    """`sample` itself, in float32 and batches: 20 000 draws; 0.03 is six standard errors."""
    process = ROUTES["VE"]
    times = LogSNR(32).times(process)
    begin = POSTERIOR.noised(process, times[0])
    init = begin.mean + normal(20_000, 2) @ torch.linalg.cholesky(begin.covariance).T
    drawn = sample(problem(process), Heun(), init=init.float(), grid=times, batch_size=7_000).x.double()
    torch.testing.assert_close(drawn.mean(0), POSTERIOR.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(torch.cov(drawn.T), POSTERIOR.covariance, rtol=0, atol=0.03)


# --- ΠGDM beyond isotropic Gaussian data -----------------------------------------------------------------------------------------


def guided_law(c: float, m: float, y: float, d: float, process: VE) -> tuple[float, float]:
    """Return the mean and variance at t_min of ΠGDM's flow for a coordinate N(m, c) that is measured itself, y = x_0 + ς z.

    Taking r² = dρ²/(d + ρ²) for the true c ρ²/(c + ρ²), with u = x − m and k = c/(c + ρ²), its flow is

        du/dρ = a(ρ) u − b(ρ) (y − m),   b = ρ k/(r² + ς²),   a = ρ/(c + ρ²) + k b,

    linear, begun with the exact posterior's law at t_max. In w = ρ² the integral of k b dρ is that of a rational function.
    """
    s2 = NOISE**2
    p, q = s2 * d, d + s2
    B, E = (d - c) / (p - q * c), (d - p / q) / (c - p / q) ** 2

    def primitive(rho: float) -> float:
        """∫ a dρ."""
        w = rho**2
        rational = -B / (w + c) + E / q * (math.log(q * w + p) - math.log(w + c))
        return 0.5 * math.log(c + w) + 0.5 * c**2 * rational

    low, high = process.sigma_min, process.sigma_max
    kept = c * s2 / (c + s2)
    gain = c / (c + s2)
    shrunk = math.exp(primitive(low) - primitive(high))

    def source(rho: float) -> float:
        r2 = d * rho**2 / (d + rho**2)
        return math.exp(primitive(low) - primitive(rho)) * rho * c / (c + rho**2) / (r2 + s2)

    pulled = integrate.quad(source, low, high, epsabs=0, epsrel=1e-10, limit=500)[0]
    return m + (shrunk * gain + pulled) * (y - m), shrunk**2 * (kept + high**2)


def errs_by_the_closed_form(build: Build, c: float) -> None:
    """The moments of a run, by the exact recursion: within 2e-3 of the mean and 0.5 % of the variance above, and biased as stated."""
    process, d, m, y = VE(sigma_min=0.05, sigma_max=10.0), STD**2, 1.0, 2.0
    base = Exact(Gaussian([m, 0.0], torch.tensor([c, 0.5])), process)
    model = build(base, Project(torch.tensor([[1.0, 0.0]])), torch.tensor([[y]], dtype=torch.float64), NOISE, STD)
    gain = c / (c + NOISE**2)
    exact = Moments(
        torch.tensor([m + gain * (y - m), 0.0], dtype=torch.float64),
        torch.diag(torch.tensor([gain * NOISE**2, 0.5], dtype=torch.float64)),
    )
    times = LogSNR(STEPS).times(process)
    begin, truth = (exact.noised(process, t) for t in (times[0], times[-1]))
    found = begin.through(model, Heun(), times, 0, EVENT)
    mean, variance = guided_law(c, m, y, d, process)
    assert found.mean[0].item() == pytest.approx(mean, abs=2e-3)
    assert found.covariance[0, 0].item() == pytest.approx(variance, rel=5e-3)
    assert found.covariance[1, 1].item() == pytest.approx(
        truth.covariance[1, 1].item(), rel=1e-3
    )  # not measured, and right
    bias = variance / truth.covariance[0, 0].item()
    assert bias < 0.97 if c > d else bias > 1.03


@pytest.mark.parametrize("c", [0.1, 0.3, 1.5, 4.0])
def test_pigdm_on_other_gaussian_data_errs_by_its_closed_form(c: float) -> None:
    """Variances c beside the assumed 0.64: too small a σ_d pulls too much and leaves too little variance, too large a one too much."""
    errs_by_the_closed_form(LinearGaussian, c)


def test_pigdm_with_another_spread_errs_by_something_else() -> None:
    with pytest.raises(AssertionError):
        errs_by_the_closed_form(lambda *problem: Mutant(*problem, "r for r²"), 1.5)


def sees_only_what_is_isotropic(std: float) -> None:
    """Two Gaussian coordinates of standard deviation STD, and beside them a ring: measured through the first two alone."""
    gaussian, process = Gaussian([1.0, -0.5], STD**2), ROUTES["VP"]
    matrix = torch.tensor([[0.6, 0.9, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([[1.4, 0.2]], dtype=torch.float64)
    guided = LinearGaussian(Exact(Product(gaussian, Ring(2.0, 0.4)), process), Project(matrix), y, NOISE, std)
    centre, covariance = posterior(MEAN, STD**2 * torch.eye(2, dtype=torch.float64), matrix[:, :2], y[0], NOISE)
    exact = Exact(Product(Gaussian(centre, covariance), Ring(2.0, 0.4)), process)
    x, t = 2 * normal(6, 4, seed=6), times_inside(process, 6)
    torch.testing.assert_close(guided.score(x, t), exact.score(x, t), rtol=1e-9, atol=1e-9)


def test_pigdm_is_bayes_rule_wherever_it_sees_only_what_is_isotropic() -> None:
    """The rest of the data may be anything, if it does not depend on what is measured; of another σ_d it is not."""
    sees_only_what_is_isotropic(STD)
    with pytest.raises(AssertionError):
        sees_only_what_is_isotropic(0.9 * STD)


# --- DPS -------------------------------------------------------------------------------------------------------------------------


def test_a_step_of_dps_is_the_unconditional_step_and_the_papers_gradient() -> None:
    """∇‖y − A D(x)‖² by finite differences, divided by the misfit's size; each row by its own."""
    process = ROUTES["VP"]
    model, x = problem(process), normal(5, 2)
    t, s = (torch.tensor(u, dtype=torch.float64) for u in (0.5, 0.48))

    def misfit(x: Tensor) -> Tensor:
        return (model.misfit(model.model.denoise(x, t)) ** 2).sum(1)

    h = 1e-5
    units = torch.eye(2, dtype=torch.float64)
    slope = torch.stack([(misfit(x + h * e) - misfit(x - h * e)) / (2 * h) for e in units], dim=1)
    (step,) = steps_of(torch.stack([t, s]), process)
    free, _ = Ancestral().step(model.model, x, step, None, Noise(range(5), EVENT, dtype=torch.float64))
    found, _ = DPS(Ancestral(), zeta=0.3).step(model, x, step, None, Noise(range(5), EVENT, dtype=torch.float64))
    expected = free - 0.3 * slope / misfit(x).sqrt()[:, None]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_dps_counts_its_evaluations() -> None:
    calls: list[int] = []
    process = ROUTES["VE"]
    exact = Exact(Gaussian(MEAN, STD**2), process)
    base = FromScore(lambda x, t: (calls.append(len(x)), exact.score(x, t))[1], process)
    model = LinearGaussian(base, A, Y, NOISE, STD)
    found = sample(model, DPS(Heun(), 0.1), (3, 2), grid=LogSNR(5).times(process))
    backward = 5 + 1  # one product with the Jacobian per step, and one in the closing denoising
    assert found.evaluations == len(calls) + backward


@pytest.mark.parametrize("sampler", [DPS(Heun())])
def test_dps_needs_a_measurement(sampler: Sampler) -> None:
    with pytest.raises(ValueError, match="which states the measurement"):
        sample(Exact(Gaussian(MEAN), VE()), sampler, (1, 2), grid=LogSNR(2).times(VE()))


# --- rows ------------------------------------------------------------------------------------------------------------------------

ROWS: dict[str, Sampler] = {"Heun": Heun(), "AdaptiveODE": AdaptiveODE(), "DPS": DPS(Ancestral(), 0.1)}


@pytest.mark.parametrize("name", ROWS)
def test_each_sample_has_its_own_measurement_in_every_batch(name: str) -> None:
    """In batches that split them, and beside samples that measured something else."""
    ys, process = torch.tensor([[1.4], [-0.5], [0.3], [2.0], [1.4]]), ROUTES["VE"]
    base, times = Exact(Gaussian(MEAN, STD**2), process), LogSNR(1 if name == "AdaptiveODE" else 11).times(process)

    def drawn(y: Tensor, batch_size: int | None = None) -> Tensor:
        model = LinearGaussian(base, A, y, NOISE, STD)
        return sample(model, ROWS[name], (5, 2), grid=times, seed=3, batch_size=batch_size).x

    whole = drawn(ys)
    torch.testing.assert_close(drawn(ys, 2), whole, rtol=1e-4, atol=1e-4)
    for i in range(5):
        torch.testing.assert_close(drawn(ys[i : i + 1])[i], whole[i], rtol=1e-4, atol=1e-4)


# --- bad input -------------------------------------------------------------------------------------------------------------------

MODEL = Exact(Gaussian(MEAN), ROUTES["VE"])
TIMES = LogSNR(3).times(ROUTES["VE"])
TWICE = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
BAD: dict[str, tuple[Callable[[], object], str]] = {
    "NaN measured": (lambda: LinearGaussian(MODEL, A, torch.tensor([[torch.nan]]), 0.1), "1 NaN or infinite"),
    "no row": (lambda: LinearGaussian(MODEL, A, torch.zeros(1), 0.1), r"\(1, \*m\)"),
    "a measurement of another shape": (lambda: LinearGaussian(MODEL, A, torch.zeros(1, 3), 0.1), r"received \(3,\)"),
    "of another shape, matrix-free": (
        lambda: LinearGaussian(MODEL, MatrixFree(lambda x: x @ TWICE.T, lambda v: v @ TWICE), torch.zeros(1, 3), 0.1),
        "does not fit A",
    ),
    "negative noise": (lambda: LinearGaussian(MODEL, A, Y, -0.1), "standard deviation ≥ 0"),
    "no spread": (lambda: LinearGaussian(MODEL, A, Y, 0.1, sigma_data=0.0), "standard deviation ≥ 0"),
    "no noise where there must be": (
        lambda: LinearGaussian(MODEL, Project(TWICE), torch.zeros(1, 2), 0.0),
        "noise > 0",
    ),
    "no noise, matrix-free": (
        lambda: LinearGaussian(MODEL, MatrixFree(lambda x: x @ TWICE.T, lambda v: v @ TWICE), torch.zeros(1, 2), 0.0),
        "noise > 0",
    ),
    "an operator of other samples": (
        lambda: sample(LinearGaussian(FromScore(lambda x, t: -x, VE()), A, Y, 0.1), Heun(), (2, 3), grid=TIMES),
        r"an event of shape \(2,\); received \(3,\)",
    ),
    "a measurement of other samples": (
        lambda: sample(LinearGaussian(MODEL, Downsample(2, 1), torch.zeros(1, 3), 0.1), Heun(), (2, 2), grid=TIMES),
        r"of shape \(1,\) of these samples; y has \(3,\)",
    ),
    "too few measurements": (
        lambda: sample(LinearGaussian(MODEL, A, torch.zeros(3, 1), 0.1), Heun(), (4, 2), grid=TIMES),
        "received 3, but there is a sample number 3",
    ),
    "an empty mask": (lambda: Mask(torch.zeros(3, dtype=torch.bool)), "0 true"),
    "a mask of numbers": (lambda: Mask(torch.ones(3)), "boolean"),
    "blocks that do not tile": (lambda: Downsample(2).apply(torch.zeros(1, 1, 4, 5)), "must tile"),
    "blocks of one": (lambda: Downsample(1), "at least 2"),
    "blocks of an image in a vector": (lambda: Downsample(2).apply(torch.zeros(1, 4)), "must tile"),
    "a kernel too large": (lambda: Blur(torch.ones(5, 5)).apply(torch.zeros(1, 1, 4, 4)), "must fit"),
    "a kernel of no width": (lambda: Blur.gaussian(0.0), "std must be a finite positive"),
    "a kernel of negative width": (lambda: Blur.gaussian(-1.0), "std must be a finite positive"),
    "a kernel of NaN": (lambda: Blur(torch.full((3,), torch.nan)), "finite"),
    "a matrix for another event": (lambda: Project(torch.zeros(2, 5), event=(2, 2)), "D = 4"),
    "a step of nothing": (lambda: DPS(Heun(), zeta=0.0), "zeta"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_a_reason(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()
