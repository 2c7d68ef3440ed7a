"""What a person passes in Python is taken as it is meant, or refused in a sentence that says what to do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import scorefield as sf

pytestmark = pytest.mark.usefixtures("seeded")


def model(net: nn.Module | None = None) -> sf.Denoiser:
    return sf.Denoiser(sf.MLP(dim=2, width=8) if net is None else net, sf.EDM(), sigma_data=0.5)


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


class Detached(Own):
    def forward(self, x, noise):
        return self.layer(x).detach()


class Rounded(Own):
    def forward(self, x, noise):
        return self.layer(x).round().long()


class Lazy(Own):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(2)

    def forward(self, x, noise):
        return self.layer(x)


class Computed(Own):
    """Holds a weight computed of others, as torch.nn.utils.weight_norm does."""

    def __init__(self) -> None:
        super().__init__()
        self.computed = 2 * self.layer.weight


FAULTY = [(Detached, "was detached"), (Rounded, "rounded"), (Lazy, "call it once"), (Computed, "cannot be copied")]


@pytest.mark.parametrize(("kind", "said"), FAULTY)
def test_a_network_that_cannot_learn_is_refused(kind, said: str) -> None:
    with pytest.raises(sf.ConfigError, match=said):
        sf.fit(model(kind()), torch.randn(8, 2), sf.DSM(), steps=2, batch_size=4)


@pytest.mark.parametrize("event", [(3,), (1, 3), (2, 2)])
def test_data_of_another_size_than_the_network_are_named(event) -> None:
    with pytest.raises(sf.ConfigError, match="the network was built for dim=2"):
        sf.fit(model(), torch.randn(8, *event), sf.DSM(), steps=1, batch_size=4)


EXACT = sf.Exact(sf.Gaussian(torch.zeros(2)), sf.EDM())
ROWS = torch.zeros(4, 2)


def digits() -> sf.LoadedModel[sf.ScoreModel]:
    return sf.load_model("digits")


class Loaded:
    """What `load_model` returns has a model; it is none."""

    model = EXACT


REFUSED = {
    "a sampler's name": (lambda: sf.sample(EXACT, "heun", (4, 2), grid=sf.Karras(3)), "must be a Sampler.*'heun'"),
    "a sampler's class": (lambda: sf.sample(EXACT, sf.Heun, (4, 2), grid=sf.Karras(3)), r"write Heun\("),
    "a loaded model": (lambda: sf.sample(Loaded(), sf.Heun(), (4, 2), grid=sf.Karras(3)), "whose attribute model is"),
    "a loaded model to guide": (lambda: sf.Inpaint(Loaded(), ROWS, ROWS > 0), "Inpaint guides.*attribute model"),
    "a loaded model's likelihood": (lambda: sf.log_likelihood(Loaded(), ROWS), "attribute model is"),
    "a loaded model to fit a grid to": (lambda: sf.Grid.fit(Loaded(), 3, (2,)), "fitted to must.*attribute model is"),
    "a density to draw from": (lambda: sf.sample(EXACT.density, sf.Heun(), (4, 2), grid=sf.Karras(3)), "a ScoreModel"),
    "one number for a shape": (lambda: sf.sample(EXACT, sf.Heun(), 4, grid=sf.Karras(3)), r"shape must be \(n, \*d\)"),
    "a shape of another event": (lambda: sf.sample(EXACT, sf.Heun(), (4, 3), grid=sf.Karras(3)), r"received.*\(4, 3\)"),
    "half a sample": (lambda: sf.sample(EXACT, sf.Heun(), (1.5, 2), grid=sf.Karras(3)), "whole number; received 1.5"),
    "half a step": (lambda: draw_on(sf.Karras(2.5)), "steps must be a whole number"),
    "one path to fit a grid to": (lambda: sf.Grid.fit(EXACT, 3, (2,), paths=1), "paths must be a whole number of at least 2"),
    "weights that round their average": (lambda: sf.fit(model().bfloat16(), X, sf.DSM(), steps=1), "bfloat16, which rounds away steps"),
    "half a batch": (lambda: draw(batch_size=1.5), "batch_size must be a whole number of at least 1"),
    "frames before the first": (lambda: draw(frames=-1), "frames must be a whole number of at least 0"),
    "a list of rows": (lambda: draw(rows=[0, 1]), "rows must be a range"),
    "another generator": (lambda: draw(generator="numpy"), "one of torch, philox"),
    "noise levels for times": (lambda: sf.sample(sf.Exact(EXACT.density, sf.VE()), sf.Heun(), (4, 2), grid=[5, 0.1]), "its t"),
    "a start that is not finite": (lambda: draw(init=ROWS[:3] * float("nan")), "init must be finite"),
    "arguments the wrong way round": (lambda: sf.Exact(sf.EDM(), EXACT.density), "must be a Density.*received EDM"),
    "data for a density": (lambda: sf.Exact(ROWS, sf.EDM()), "must be a Density.*received Tensor"),
    "a process for a network": (lambda: sf.Denoiser(sf.EDM(), sf.MLP(2), 0.5), "the network must be.*received EDM"),
    "states of whole numbers": (lambda: EXACT.score(ROWS.long(), 1.0), "floating-point numbers; received torch.int64"),
    "an array for states": (lambda: EXACT.score(ROWS.numpy(), 1.0), "must be a tensor.*received ndarray"),
    "one state without its row": (lambda: EXACT.score(ROWS[0], 1.0), r"shape \(b, 2\).*received \(2,\)"),
    "bytes for a likelihood": (lambda: sf.log_likelihood(EXACT, ROWS.byte()), "divide images by 255"),
    "nothing for a likelihood": (lambda: sf.log_likelihood(EXACT, ROWS[:0]), r"one or more states.*\(0, 2\)"),
    "data that are not finite": (lambda: sf.log_likelihood(EXACT, ROWS / 0), "8 numbers that are not"),
    "words for a likelihood": (lambda: sf.log_likelihood(EXACT, "zero"), "array of real numbers; received"),
    "an objective's class": (lambda: sf.fit(model(), ROWS, sf.DSM, steps=1), r"such as DSM\(\); received <class .*DSM"),
    "an objective's name": (lambda: sf.fit(model(), ROWS, "dsm", steps=1), "such as DSM\\(\\); received 'dsm'"),
    "a bare network": (lambda: sf.fit(nn.Linear(2, 2), ROWS, sf.DSM(), steps=1), "to train must be.*received Linear"),
    "half a training step": (lambda: sf.fit(model(), ROWS, sf.DSM(), steps=1.5), "steps must be a whole number"),
    "half a training batch": (lambda: sf.fit(model(), ROWS, sf.DSM(), steps=1, batch_size=1.5), "batch_size must be a whole"),
    "half a seed to fit": (lambda: sf.fit(model(), ROWS, sf.DSM(), steps=1, seed=1.5), "seed must be a whole number"),
    "no seed to fit": (lambda: sf.fit(model(), ROWS, sf.DSM(), steps=1, seed=None), "seed must be a whole number"),
    "a rate in words": (lambda: sf.fit(model(), ROWS, sf.DSM(), steps=1, learning_rate="1e-3"), "learning_rate must be a finite"),
    "a rate below 0": (lambda: sf.fit(model(), ROWS, sf.DSM(), steps=1, learning_rate=-1.0), "learning_rate must be a finite"),
    "too few labels": (lambda: sf.fit(model(), (ROWS, ROWS[:3, 0]), sf.DSM(), steps=1), "one for each of 4 examples"),
    "one-hot labels": (lambda: sf.fit(model(), (ROWS, torch.eye(4).long()), sf.DSM(), steps=1), r"take labels\.argmax"),
    "names for labels": (lambda: sf.fit(model(), (ROWS, list("abca")), sf.DSM(), steps=1), "found labels of type <U1"),
    "a deviation in words": (lambda: sf.Denoiser(sf.MLP(2), sf.EDM(), sigma_data="1"), "sigma_data must be a finite number"),
    "two deviations": (lambda: sf.Denoiser(sf.MLP(2), sf.EDM(), sigma_data=[1, 2]), "sigma_data must be a finite number"),
    "another way to end": (lambda: sf.load_model("digits").sample(1, decode="mean"), "one of draw, counts, mode, none"),
    "a device of none": (lambda: sf.load_model("digits", "gpu"), "expected auto, cpu, cuda, cuda:N or mps"),
    "a device that is not here": (lambda: sf.load_model("digits", "cuda:99"), "device 'cuda:99' was asked for"),
    "one that is an object": (lambda: sf.load_model("digits", torch.device("cuda", 99)), "device 'cuda:99' was asked for"),
    "three samples to measure": (lambda: digits().evaluate(torch.rand(3, 1, 8, 8)), "at least 12; received 3"),
    "samples of another shape": (lambda: digits().evaluate(torch.rand(30, 8, 8)), r"of shape \(1, 8, 8\); received \(30, 8, 8\)"),
    "samples that are not finite": (lambda: digits().evaluate(torch.rand(30, 1, 8, 8) / 0), "x must be finite"),
    "bytes for samples": (lambda: digits().evaluate(torch.zeros(30, 1, 8, 8).byte()), "divide images by 255"),
    "masked numbers": (lambda: sf.fit(model(), np.ma.masked_less(ROWS.numpy(), 1), sf.DSM(), steps=1), "8 masked numbers"),
    "a sparse table": (lambda: sf.fit(model(), ROWS.to_sparse(), sf.DSM(), steps=1), r"x\.to_dense\(\)"),
    "a class by its word": (lambda: sf.load_model("mnist-class").steered(labels="three"), "classes counted from 0"),
    "no label for a class": (lambda: sf.load_model("mnist-class").steered(labels=10), "mnist-class knows the classes 0 to 9; received 10"),
    "another precision": (lambda: sf.load_model("digits", precision="fp16"), "one of auto, fp32, bf16"),
    "a number for a model": (lambda: sf.load_model(5), "a path or a string; received int"),
    "a model nearly named": (lambda: sf.load_model("mnits"), "did you mean mnist"),
    "a grid's class": (lambda: draw_on(sf.Karras), r"received Karras, a class: write Karras\(31\)"),
    "a grid's name": (lambda: draw_on("karras"), "a vector of two or more times; received str"),
    "a power in words": (lambda: sf.Karras(3, rho="7"), "rho must be a finite positive number; received '7'"),
    "an end in words": (lambda: draw_on(sf.Karras(3, sigma_max="80")), "sigma_min > 0; received '80' and 0.002"),
    "a process in words": (lambda: sf.VE("0.01", 50), "sigma_min must be a finite positive number; received '0.01'"),
    "a time in words": (lambda: EXACT.score(ROWS, "1"), r"a time must be a number or a tensor.*received '1'"),
    "no time": (lambda: EXACT.score(ROWS, None), "a time must be a number.*received None"),
    "a weight of nothing": (lambda: sf.ClassifierFree(EXACT, 1, None), "weight must be a finite number; received None"),
    "complex states": (lambda: EXACT.score(ROWS * 1j, 1.0), r"received torch\.complex64: x\.real makes"),
    "tolerances below 0": (lambda: sf.log_likelihood(EXACT, ROWS, rtol=-1, atol=1), "rtol must be a finite positive"),
    "no tolerance": (lambda: sf.log_likelihood(EXACT, ROWS, atol=0), "atol must be a finite positive number; received 0"),
    "churn in words": (lambda: sf.Heun(churn="10"), "churn must be a number of at least 0; received '10'"),
    "churn below 0": (lambda: sf.Heun(churn=-1.0), "churn must be a number of at least 0; received -1"),
    "a corrector's class": (lambda: sf.PredictorCorrector(sf.Euler(), sf.LangevinCorrector), r"write LangevinCorrector\("),
    "a repeated sampler's name": (lambda: sf.RePaint("heun"), "the sampler that RePaint repeats must be.*'heun'"),
    "a mask of numbers": (lambda: sf.Inpaint(EXACT, ROWS, [[1, 0]]), "mask must be boolean.*torch.int64: compare it, such as mask > 0.5"),
    "a mask in words": (lambda: sf.Inpaint(EXACT, ROWS, "left"), "mask must be boolean.*received str"),
    "an observation in words": (lambda: sf.Inpaint(EXACT, "zeros", ROWS > 0), "observed must be floating-point.*received str"),
    "a mask of nothing": (lambda: sf.Mask([False, False]), "boolean with something true, what is measured"),
    "one end of an interval": (lambda: sf.AutoGuided(EXACT, EXACT, 1.0, interval=0.5), "two ascending.*received 0.5"),
    "ends in words": (lambda: sf.AutoGuided(EXACT, EXACT, 1.0, interval=("a", "b")), r"two ascending.*received \('a', 'b'\)"),
    "a start without numbers": (lambda: draw(init=torch.ones(3, 2, device="meta")), "init must hold numbers.*meta"),
    "data without numbers": (lambda: sf.fit(model(), torch.ones(4, 2, device="meta"), sf.DSM(), steps=1), "on the device meta"),
    "a density for a model": (lambda: sf.encode(EXACT.density, ROWS), "must be a ScoreModel.*received Gaussian"),
    "a latent that is not finite": (lambda: sf.decode(EXACT, ROWS / 0), "latent must be finite"),
    "a time of a likelihood in words": (lambda: sf.log_likelihood(EXACT, ROWS, t="1"), r"t must be a number in .*received '1'"),
    "a time for each row": (lambda: sf.log_likelihood(EXACT, ROWS, t=ROWS[:, 0] + 1), "t must be a number in"),
    "half a seed of probes": (lambda: sf.log_likelihood(EXACT, ROWS, probes=1, seed=1.5), "seed must be a whole number"),
    "half a seed of halves": (lambda: sf.metrics.precision_recall(MANY, MANY, seed=1.5), "seed must be a whole number"),
    "a prior that is none": (lambda: sf.log_likelihood(EXACT, ROWS, terminal=EXACT), "terminal distribution must be a Density"),
    "half of each seed": (lambda: sf.Noise([1.5, 2.5], (2,)), "each of the seeds must be a whole number; received 1.5"),
    "seeds in a table": (lambda: sf.Noise([[1], [2]], (2,)), "each of the seeds must be a whole number"),
    "a turn of three axes for two": (lambda: sf.Similarity(EXACT.density, 1, torch.eye(3)), r"shape \(2, 2\).*Received.*\(3, 3\)"),
    "a shift of three numbers for two": (lambda: sf.Similarity(EXACT.density, shift=[1.0, 2, 3]), r"broadcast to an event, \(2,\)"),
    "a shift that is none": (lambda: sf.Similarity(EXACT.density, shift=float("nan")), "shift must be finite"),
    "data for a density to turn": (lambda: sf.Similarity(ROWS), "the density must be a Density"),
    "a list of parts": (lambda: sf.Product([EXACT.density]), "each part of a product must be a Density.*received list"),
    "a board in words": (lambda: sf.densities.Checkerboard("4"), "side must be even.*received '4'"),
    "a board without end": (lambda: sf.densities.Checkerboard(4, float("inf")), "size must be a finite positive"),
    "modes of a width below 0": (lambda: sf.GaussianMixture.ring(std=-0.3), "std must be a finite positive"),
    "noise levels of other rows": (lambda: sf.Ring().diffuse(1, ROWS[:3, 0] + 1).score(ROWS), r"\(b,\); received \(3,\)"),
    "a kernel without end": (lambda: sf.mmd(ROWS, ROWS, bandwidth=float("inf")), "bandwidth must be a finite positive"),
    "no projections": (lambda: sf.sliced_wasserstein(ROWS, ROWS, projections=0), "projections must be a whole number of at least 1"),
    "a kernel of no width": (lambda: sf.kernel_stein_discrepancy(ROWS, EXACT.density.score, scale=0), "scale must be a finite positive"),
    "a density for its score": (lambda: sf.kernel_stein_discrepancy(ROWS, EXACT.density), "score must be a function.*received Gaussian"),
    "the score of one coordinate": (lambda: sf.kernel_stein_discrepancy(ROWS, lambda x: x[:, :1]), r"\(4, 2\).*\(4, 1\)"),
    "half a neighbour": (lambda: sf.metrics.precision_recall(MANY, MANY, k=1.5), "k must be a whole number"),
    "half a nearest one": (lambda: sf.metrics.nearest_neighbours(ROWS, ROWS, 1.5), "k must be a whole number"),
    "no halves": (lambda: sf.metrics.precision_recall(MANY, MANY, replicates=0), "replicates must be a whole number of at least 2"),
    "a mean of nothing": (lambda: sf.metrics.mean([]), "one or more; received none"),
    "modes of nothing": (lambda: sf.mode_weights(ROWS[:0], sf.GaussianMixture.ring()), "one or more; received the shape"),
    "classes between two": (lambda: sf.metrics.class_shares([0.0, 0.5], [0.5, 0.5]), "classes counted from 0"),
    "jumps of a single chain's numbers": (lambda: sf.metrics.mode_jumps(ROWS, sf.GaussianMixture.ring()), r"received the shape \(4, 2\)"),
    "a chain without coordinates": (lambda: sf.metrics.diagnose_chains(MANY), r"\(frames, n, \*d\); received \(24, 2\)"),
    "no trainings": (lambda: sf.metrics.classifier_two_sample(*[MANY.reshape(6, 1, 2, 4)] * 2, trainings=0), "trainings must be"),
    "churn between no levels": (lambda: sf.Heun(churn=1, churn_min=5, churn_max=1), "churn_min must be at most churn_max"),
    "eta in words": (lambda: sf.DDIM("0"), r"eta must lie in \[0, 1\]; received '0'"),
    "snr in words": (lambda: sf.LangevinCorrector("0.1"), "snr must lie between 0 and 1"),
    "a number for a density": (lambda: sf.MALA(0.1, log_prob=5), "log_prob must be a function"),
    "a blur along no axis": (lambda: sf.Blur.gaussian(1.0, axes=0), "axes must be a whole number of at least 1"),
    "a mask without numbers": (lambda: sf.Mask(torch.ones(2, dtype=torch.bool, device="meta")), "received meta"),
    "a loss averaged already": (lambda: fit_by(lambda loss: loss.mean()), r"shape \(4,\), of which training takes the mean; received \(\)"),
    "a loss of other rows": (lambda: fit_by(lambda loss: loss[:3]), r"shape \(4,\).*received \(3,\)"),
    "no loss": (lambda: fit_by(lambda loss: None), r"shape \(4,\).*received NoneType"),
    "a scale that is a number": (lambda: draw(sf.Exact(EXACT.density, Plain())), r"received shapes \(\) and \(4,\)"),
    "a model of one coordinate": (lambda: draw(Half()), r"the states, \(3, 2\); Half returned \(3, 1\)"),
    "a sampler without memory": (lambda: sf.sample(EXACT, Forgetful(), (2, 2), grid=[2, 1]), "memory.*Forgetful returned a Tensor"),
    "a sampler of one coordinate": (lambda: sf.sample(EXACT, Narrowing(), (3, 2), grid=[2, 1]), r"Narrowing returned \(3, 1\)"),
    "three ends": (lambda: sf.Units(0.0, 1.0, ends=(0, 1, 2)), r"two finite ascending values.*received \(0, 1, 2\)"),
    "words for ends": (lambda: sf.Units(0.0, 1.0, ends="ab"), "two finite ascending values.*received 'ab'"),
    "a single level below 0": (lambda: sf.geometric(5.0, -0.1, 1), "sigma_L must be a finite positive number"),
    "half a level": (lambda: sf.processes.DDPM(levels=10.5), "levels must be a whole number"),
    "betas in words": (lambda: sf.processes.DDPM(betas="abc"), "betas must be a tensor or an array of real numbers"),
    "units of other events": (lambda: sf.log_likelihood(EXACT.in_units(sf.Units(0.0, ROWS[:3, 0] + 1)), ROWS), r"of shape \(3,\)"),
    "bytes to judge": (lambda: judge().probabilities(torch.zeros(2, 1, 8, 8).byte()), "divide images by 255"),
    "images to judge that are not finite": (lambda: judge().features(torch.zeros(2, 1, 8, 8) / 0), "x must be finite"),
    "one true label for all": (lambda: calibrated([1]), "one for each of 2 examples; received 1"),
    "a noise level below 0": (lambda: calibrated([1, 2], -1.0), "ratio must be a finite positive number"),
    "another hidden part": (lambda: sf.guidance.hidden_part("rigth", 8, 8), "hidden part must be one of.*did you mean right"),
    "numbers for a linear map": (lambda: sf.guidance.MatrixFree(5, 6), "apply must be a function"),
    "a model of the Hub": (lambda: sf.load_model("someone/their-model"), "hf:someone/their-model"),
}  # fmt: skip


MANY = torch.arange(48.0).reshape(24, 2)


def fit_by(reduced) -> None:
    sf.fit(model(), ROWS, lambda m, x, noise=None: reduced(sf.DSM()(m, x, noise)), steps=1, batch_size=4)


def judge() -> sf.Judge:
    return sf.Judge(sf.Classifier(sf.networks.NoisyClassifier(1, 8, 3, width=16), sf.EDM(), 0.3))


def calibrated(labels, ratio: float = 1.0) -> list:
    return sf.metrics.calibration(judge().classifier, np.zeros((2, 1, 8, 8), np.float32), labels, [ratio])


class Plain(sf.Process):
    t_min, t_max = 0.1, 1.0

    def alpha_sigma(self, t):
        return 1.0, t


class Half(sf.ScoreModel):
    process = EXACT.process

    def denoise(self, x, t):
        return x[:, :1]


class Forgetful(sf.Sampler):
    def step(self, model, x, step, memory, noise):
        return model.denoise(x, step.t)


class Narrowing(sf.Sampler):
    def step(self, model, x, step, memory, noise):
        return x[:, :1], None


class InPlace(sf.Sampler):
    def step(self, model, x, step, memory, noise):
        return x.mul_(0.5), None


def test_a_sampler_that_works_in_place_spoils_neither_start_nor_frames() -> None:
    start = torch.ones(3, 2)
    found = sf.sample(EXACT, InPlace(), init=start, grid=sf.Karras(3), frames=4, denoise=False)
    assert torch.equal(start, torch.ones(3, 2))
    assert found.trajectory[:, 0, 0].tolist() == [1.0, 0.5, 0.25, 0.125]


def test_half_precision_is_blurred() -> None:
    x, blur = torch.arange(16.0).reshape(1, 4, 4), sf.Blur(torch.tensor([[0.5, 0.5]]))
    assert torch.equal(blur.apply(x.bfloat16()), blur.apply(x).bfloat16())


def test_a_network_of_complex_weights_learns() -> None:
    class Spectral(Own):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(2, dtype=torch.complex64))

        def forward(self, x, noise):
            return torch.fft.ifft(torch.fft.fft(self.layer(x)) * self.gain).real

    made = model(Spectral())
    sf.fit(made, X, sf.DSM(), steps=2, batch_size=4)
    assert (made.net.gain != 1).any()
    assert draw(made).shape == (3, 2)


def draw_on(grid: sf.Grid) -> torch.Tensor:
    return sf.sample(EXACT, sf.Heun(), (3, 2), grid=grid).x


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_meant_so_is_refused_in_a_sentence(case: str) -> None:
    call, said = REFUSED[case]
    with pytest.raises(ValueError, match=said):
        call()


def test_what_is_meant_is_taken_from_any_library() -> None:
    assert torch.equal(
        sf.log_likelihood(EXACT, np.zeros((4, 2))).log_prob, sf.log_likelihood(EXACT, ROWS.double()).log_prob
    )
    assert torch.equal(sf.encode(EXACT, np.ones((4, 2))), sf.encode(EXACT, ROWS.double() + 1))
    assert sf.Constant(torch.tensor(0.5, dtype=torch.float64), 3) == sf.Constant(0.5, 3)
    assert sf.Units(0.0, 1.0, ends=torch.tensor([0, 255])) == sf.Units(0.0, 1.0, ends=(0, 255))
    betas = [sf.processes.DDPM(betas=given) for given in ((0.1, 0.2), [0.1, 0.2], np.array([0.1, 0.2]))]
    assert len(set(betas)) == 1
    assert calibrated([1, 2])[0].n == 2
    turned = [sf.Similarity(sf.Ring(), 2.0, turn).log_prob(X) for turn in (np.eye(2), [[1, 0], [0, 1]], torch.eye(2))]
    assert torch.equal(turned[0], turned[2])
    assert torch.equal(turned[1], turned[2])
    assert sf.metrics.precision_recall(MANY, MANY + 1, seed=torch.tensor(3)) == sf.metrics.precision_recall(
        MANY, MANY + 1, seed=3
    )
    assert torch.equal(draw(init=np.zeros((3, 2), np.float32)), draw(init=ROWS[:3]))
    assert torch.equal(sf.Empirical(ROWS.numpy()).data, sf.Empirical(ROWS.long()).data)
    assert draw(batch_size=np.int64(2), frames=np.int64(1)).shape == (3, 2)
    known, meant = torch.tensor([[True, False]]), draw(sf.Inpaint(EXACT, ROWS[:1], torch.tensor([[True, False]])))
    for observed, mask in ((np.zeros((1, 2)), known.numpy()), ([[0.0, 0.0]], [[True, False]])):
        torch.testing.assert_close(draw(sf.Inpaint(EXACT, observed, mask)), meant)
    assert torch.equal(sf.Mask(np.array([True, False])).apply(ROWS), ROWS[:, :1])
    assert sf.AutoGuided(EXACT, EXACT, 1.0, interval=np.array([0.1, 1.0])).interval == (0.1, 1.0)


X = torch.arange(16.0).reshape(8, 2) / 8
Y = torch.arange(8) % 3
FORMS = {
    "arrays": lambda: (X.numpy(), Y.numpy()),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "an array and a list": lambda: [X.numpy(), Y.tolist()],
    "floating labels": lambda: (X.double(), Y.double()),
    "a column of labels": lambda: (X, Y[:, None]),
    "tables": lambda: (Table(X), Table(Y)),
    "pairs of tensors": lambda: list(zip(X, Y, strict=True)),
    "pairs of arrays": lambda: list(zip(X.numpy(), Y.numpy(), strict=True)),
    "pairs of arrays and numbers": lambda: [[x, int(y)] for x, y in zip(X.numpy(), Y, strict=True)],
    "a data set": lambda: TensorDataset(X, Y),
}


class Table:
    """As one of pandas: no tensor, no array, no sequence of rows."""

    def __init__(self, x: torch.Tensor) -> None:
        self._x = x.numpy()

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self._x if dtype is None else self._x.astype(dtype)


def weights(data, **how) -> torch.Tensor:
    torch.manual_seed(0)
    made = model(sf.MLP(dim=2, width=8, classes=3))
    sf.fit(made, data, sf.DSM(), steps=2, batch_size=4, **how)
    return torch.cat([p.detach().flatten() for p in made.parameters()])


@pytest.mark.parametrize("form", FORMS)
def test_examples_with_labels_come_in_any_form(form: str) -> None:
    assert torch.equal(weights(FORMS[form]()), weights((X, Y)))


def test_two_examples_are_no_example_with_a_label() -> None:
    for two in ([X[:2].numpy(), X[2:4].numpy()], [[X[0].numpy(), X[1].numpy()], [X[2].numpy(), X[3].numpy()]]):
        with pytest.raises(sf.ConfigError, match=r"examples have shape \(2, 2\)"):
            sf.fit(model(), two, sf.DSM(), steps=1)


def test_a_loader_may_yield_arrays() -> None:
    batches = [(x, y) for x, y in zip(X.split(4), Y.split(4), strict=True)]
    assert torch.equal(weights(iter([(x.numpy(), y.numpy()) for x, y in batches * 3])), weights(iter(batches * 3)))


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode], ids=lambda around: around.__name__)
def test_gradients_that_were_switched_off_are_on_while_a_model_is_fit(around) -> None:
    torch.manual_seed(0)
    made = model()
    with around():
        sf.fit(made, X, sf.DSM(), steps=2, batch_size=4)
        assert not torch.is_grad_enabled()
    torch.manual_seed(0)
    other = model()
    sf.fit(other, X, sf.DSM(), steps=2, batch_size=4)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), other.parameters(), strict=True))
    with around(), pytest.raises(sf.ConfigError, match=r"made in inference mode|trainable"):
        sf.fit(model() if around is torch.inference_mode else EXACT, X, sf.DSM(), steps=1)


def test_equal_seeds_and_settings_of_any_library_fit_the_same() -> None:
    of_numpy = {"seed": np.int64(3), "learning_rate": np.float32(0.5)}
    assert torch.equal(weights((X, Y), **of_numpy), weights((X, Y), seed=3, learning_rate=0.5))


WRAPPERS = {
    "compiled": lambda net: torch.compile(net, backend="eager"),
    "in parallel": nn.DataParallel,
    "both": lambda net: torch.compile(nn.DataParallel(net), backend="eager"),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_network_keeps_its_classes_and_is_saved_without_the_wrapper(tmp_path: Path, name: str) -> None:
    made = model(WRAPPERS[name](sf.MLP(dim=2, width=8, classes=3)))
    assert made.classes == 3
    sf.save(made, tmp_path / "mine", event=2)
    loaded, x = sf.load_model(tmp_path / "mine").model, torch.randn(4, 2)
    assert torch.equal(loaded.condition(1).denoise(x, 0.5), made.condition(1).denoise(x, 0.5))
    assert type(made.net) is not sf.MLP


def test_a_network_compiled_for_one_backward_pass_is_named(monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("This backward function was compiled with non-empty donated buffers which requires ...")

    monkeypatch.setattr(torch.autograd, "grad", refuse)
    with pytest.raises(sf.ConfigError, match="give the network itself"):
        sf.log_likelihood(model(), X)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(sf.CheckpointError, match="cannot be written: "):
        sf.save(model(), tmp_path / "file" / "mine", event=(2,))


@pytest.mark.usefixtures("hardly_told_apart")
def test_samples_to_measure_come_from_any_library() -> None:
    x = torch.rand(20, 1, 8, 8)
    of = [digits().evaluate(samples)["measures"] for samples in (x, x.double().numpy())]
    assert of[0] == of[1]


def test_a_path_is_a_models_name(tmp_path: Path) -> None:
    sf.save(model(), tmp_path / "mine", event=(2,))
    assert sf.load_model(tmp_path / "mine").event == (2,)
