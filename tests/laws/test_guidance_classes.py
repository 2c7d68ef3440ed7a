"""Laws of class conditions: on exact scores, guidance by the exact classifier is the class, and labels go to the rows they belong to."""

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from scorefield import (
    EDM,
    VE,
    VP,
    AdaptiveODE,
    Ancestral,
    ClassifierFree,
    ClassifierGuided,
    Denoiser,
    Exact,
    Heun,
    LadderNet,
    LogSNR,
    NoiseNet,
    Process,
    ScoreModel,
    ScoreNet,
    UNet,
    geometric,
    log_likelihood,
    sample,
)

from .cases import PROCESSES, SAMPLERS, normal, seeded, times_inside
from .guided import CLASSES, MEANS, SHARES, VARIANCES, of_class, told
from .nets import Nothing
from .statistics import LEVEL, accept, chi_square_p, ks_p, mean_p, variance_p

PROCESS = VE(sigma_min=0.05, sigma_max=10.0)
LABELS = torch.tensor([2, 0, 1, 0, 2])
TIMES = LogSNR(24).times(PROCESS)


def logits(process: Process) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the exact classifier of the noised mixture: its responsibilities."""

    def classifier(x: Tensor, t: Tensor) -> Tensor:
        noised = CLASSES.diffuse(*process.alpha_sigma(t))
        return noised._log_joint(*noised._whiten(x)[1:])

    return classifier


# --- a classifier ----------------------------------------------------------------------------------------------------------------


def is_the_class(guided: Callable[[ScoreModel, Tensor], ScoreModel], process: Process) -> None:
    """The guided score is the score of each row's class to 1e-10, at every time."""
    x, times = 2 * normal(5, 2), times_inside(process, 5)
    model = guided(Exact(CLASSES, process), LABELS)
    for i, label in enumerate(LABELS.tolist()):
        exact = Exact(of_class(label), process)
        torch.testing.assert_close(model.score(x, times)[i], exact.score(x, times)[i], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("process", PROCESSES)
def test_guidance_by_the_exact_classifier_is_the_score_of_the_class(process: str) -> None:
    p = PROCESSES[process]
    is_the_class(lambda model, labels: ClassifierGuided(model, logits(p), labels), p)


WRONG: dict[str, Callable[[ScoreModel, Tensor], ScoreModel]] = {
    "sign": lambda model, labels: ClassifierGuided(model, logits(model.process), labels, scale=-1.0),
    "scale off by one": lambda model, labels: ClassifierGuided(model, logits(model.process), labels, scale=2.0),
    "unguided": lambda model, labels: ClassifierGuided(model, logits(model.process), labels, scale=0.0),
    "clean classifier": lambda model, labels: ClassifierGuided(
        model, lambda x, t: logits(model.process)(x, torch.tensor(model.process.t_min, dtype=torch.float64)), labels
    ),
    "neighbours' labels": lambda model, labels: ClassifierGuided(model, logits(model.process), labels.roll(1)),
    "shares forgotten": lambda model, labels: ClassifierGuided(
        model, lambda x, t: logits(model.process)(x, t) - SHARES.log(), labels
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_guidance_is_not(name: str) -> None:
    with pytest.raises(AssertionError):
        is_the_class(WRONG[name], VP())


@pytest.mark.promise("D13")
def test_no_scale_is_no_guidance() -> None:
    model, x, t = Exact(CLASSES, PROCESS), normal(5, 2), times_inside(PROCESS, 5)
    guided = ClassifierGuided(model, logits(PROCESS), LABELS, scale=0.0)
    torch.testing.assert_close(guided.denoise(x, t), model.denoise(x, t), rtol=0, atol=0)


def test_a_classifier_that_is_a_network_moves_with_the_model_and_is_differentiable() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3))

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return self.net(x)

    model = ClassifierGuided(Exact(CLASSES, PROCESS), Classifier(), 1)
    assert set(model.parameters()) == set(net.parameters())
    x = normal(4, 2).float().requires_grad_(True)
    model.denoise(x, TIMES[3]).sum().backward()
    assert x.grad is not None
    assert net[0].weight.grad is not None


# --- without one -----------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("D13")
def test_a_weight_of_zero_is_the_conditional_model_and_of_minus_one_the_unconditional_one() -> None:
    model, x, t = told(PROCESS), normal(5, 2), times_inside(PROCESS, 5)
    for weight, expected in ((0.0, model.condition(LABELS)), (-1.0, model)):
        found = ClassifierFree(model, LABELS, weight)
        assert torch.equal(found.denoise(x, t), expected.denoise(x, t))
    assert not torch.equal(model.condition(LABELS).denoise(x, t), model.denoise(x, t))


def is_the_published_combination(free: Callable[[ScoreModel, Tensor, float], ScoreModel]) -> None:
    """(1 + w) ε(x | label) − w ε(x) in the noise and in the score, from closed forms; w = 1.7."""
    x, t, w = normal(5, 2), times_inside(PROCESS, 5), 1.7
    model = free(told(PROCESS), LABELS, w)
    whole = Exact(CLASSES, PROCESS)
    for view in ("noise", "score", "velocity"):
        found, unconditional = getattr(model, view)(x, t), getattr(whole, view)(x, t)
        for i, label in enumerate(LABELS.tolist()):
            conditional = getattr(Exact(of_class(label), PROCESS), view)(x, t)[i]
            expected = (1 + w) * conditional - w * unconditional[i]
            torch.testing.assert_close(found[i], expected, rtol=1e-8, atol=1e-8)


def test_classifier_free_guidance_is_ho_and_salimans() -> None:
    is_the_published_combination(ClassifierFree)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda model, labels, w: ClassifierFree(model, labels, w - 1),
        lambda model, labels, w: ClassifierFree(model, labels, -w),
        lambda model, labels, w: ClassifierFree(model, labels.roll(1), w),
    ],
    ids=["weight off by one", "sign", "neighbours' labels"],
)
def test_another_combination_is_rejected(wrong: Callable[[ScoreModel, Tensor, float], ScoreModel]) -> None:
    with pytest.raises(AssertionError):
        is_the_published_combination(wrong)


def test_guidance_is_counted() -> None:
    model = told(PROCESS)
    shape, times = (2, 2), TIMES[:5]
    assert sample(ClassifierFree(model, 1, 0.5), Heun(), shape, grid=times).evaluations == 2 * 9
    assert sample(ClassifierGuided(model, logits(PROCESS), 1), Heun(), shape, grid=times).evaluations == 3 * 9


# --- samples ---------------------------------------------------------------------------------------------------------------------

GUIDED: dict[str, Callable[[Tensor], ScoreModel]] = {
    "condition": lambda labels: told(PROCESS).condition(labels),
    "ClassifierFree": lambda labels: ClassifierFree(told(PROCESS), labels, 0.0),
    "ClassifierGuided": lambda labels: ClassifierGuided(Exact(CLASSES, PROCESS), logits(PROCESS), labels),
}
guided = pytest.mark.parametrize("name", GUIDED)


def has_the_classes_asked(model: ScoreModel, labels: Tensor) -> None:
    """Every sample is its class's: mean and variance in each class, and shares of the mixture. Level 1e-3."""
    times = LogSNR(32).times(PROCESS)
    std = torch.sqrt(VARIANCES[labels] + PROCESS.sigma_max**2)[:, None]
    init = MEANS[labels] + std * normal(len(labels), 2)  # of each class's law at t_max
    x = sample(model, Heun(), init=init.float(), grid=times, denoise=False).x.double()
    p = []
    for label in range(3):
        rows = x[labels == label]
        p += [
            *mean_p(rows, MEANS[label]),
            *(variance_p(rows[:, c], VARIANCES[label].item() + 0.05**2) for c in range(2)),
        ]
    nearest = torch.cdist(x, MEANS).argmin(1)
    accept([*p, chi_square_p(torch.bincount(nearest, minlength=3), SHARES)], LEVEL)


MANY = torch.repeat_interleave(torch.arange(3), torch.tensor([1000, 600, 400]))[
    torch.randperm(2000, generator=seeded(1))
]


@pytest.mark.promise("D13")
@guided
def test_each_sample_is_of_its_own_class_and_together_they_are_the_mixture(name: str) -> None:
    has_the_classes_asked(GUIDED[name](MANY), MANY)


@pytest.mark.parametrize("model", [ClassifierFree(told(PROCESS), MANY, -1.0), ClassifierFree(told(PROCESS), MANY, 1.0)])
def test_other_weights_give_other_classes(model: ScoreModel) -> None:
    with pytest.raises(AssertionError):
        has_the_classes_asked(model, MANY)


def test_more_guidance_is_less_diverse() -> None:
    spread = []
    for weight in (0.0, 1.0, 4.0):
        model = ClassifierFree(told(PROCESS), 1, weight)
        spread.append(sample(model, Heun(), (500, 2), grid=TIMES).x.var(0).sum().item())
    assert spread[0] > spread[1] > spread[2]


@pytest.mark.parametrize(
    ("name", "sampler"),
    [  # every model by one sampler, every sampler with one model
        pytest.param(name, sampler, marks=() if sampler == "Heun" or name == "ClassifierFree" else pytest.mark.slow)
        for name in GUIDED
        for sampler in ("Heun", "Ancestral", "AdaptiveODE", "PredictorCorrector", "LangevinCorrector")
    ],
)
def test_labels_follow_their_rows_into_batches_and_solvers(name: str, sampler: str) -> None:
    s = SAMPLERS[sampler].sampler
    times = TIMES[[0, -1]] if isinstance(s, AdaptiveODE) else TIMES[:10]
    whole = sample(GUIDED[name](LABELS), s, (5, 2), grid=times, seed=3).x
    parts = sample(GUIDED[name](LABELS), s, (5, 2), grid=times, seed=3, batch_size=2).x
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-4)
    for label in range(3):
        same = sample(GUIDED[name](torch.tensor(label)), s, (5, 2), grid=times, seed=3).x
        torch.testing.assert_close(same[label == LABELS], whole[label == LABELS], rtol=1e-4, atol=1e-4)


def test_labels_follow_their_rows_into_likelihoods() -> None:
    x = normal(5, 2)
    found = log_likelihood(told(PROCESS).condition(LABELS), x).log_prob
    for i, label in enumerate(LABELS):
        alone = log_likelihood(told(PROCESS).condition(label), x[i : i + 1]).log_prob
        torch.testing.assert_close(found[i], alone[0], rtol=1e-4, atol=1e-4)


# --- views of a network ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build",
    [
        lambda net: Denoiser(net, EDM(), 0.5),
        lambda net: NoiseNet(net, VP()),
        lambda net: ScoreNet(net, VE()),
    ],
)
def test_a_condition_is_a_view_that_shares_the_network(build: Callable[[nn.Module], ScoreModel]) -> None:
    torch.manual_seed(0)
    net = UNet(1, 8, classes=3, width=16)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    model, x = build(net), normal(4, 1, 8, 8).float()
    t = times_inside(model.process, 4)
    view = model.condition(torch.tensor([0, 1, 2, 3]))
    found, free = view.denoise(x, t), model.denoise(x, t)
    assert {id(p) for p in view.parameters()} == {id(p) for p in net.parameters()}
    assert torch.equal(found[3], free[3])  # label 3 of 3 classes is 'no label'
    assert not torch.equal(found[2], free[2])
    assert torch.equal(view.condition(None).denoise(x, t), free)
    found.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_ladder_can_be_told_labels_too() -> None:
    torch.manual_seed(0)
    net = UNet(1, 8, classes=3, width=16, levels=4)
    model = LadderNet(net, geometric(1.0, 0.1, 4)).condition(2)
    assert model.denoise(normal(2, 1, 8, 8).float(), torch.tensor(0.5, dtype=torch.float64)).shape == (2, 1, 8, 8)


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "label too large": (lambda: told(PROCESS).condition(4), r"between 0 and 2, or be 3 for 'no label'; received 4"),
    "label negative": (lambda: told(PROCESS).condition(-1), "counted from 0"),
    "label fractional": (lambda: ClassifierFree(told(PROCESS), torch.tensor([0.5]), 1.0), "counted from 0"),
    "label NaN": (lambda: ClassifierGuided(told(PROCESS), logits(PROCESS), torch.tensor(torch.nan)), "counted from 0"),
    "labels a matrix": (lambda: told(PROCESS).condition(torch.zeros(2, 2).long()), "counted from 0"),
    "a network without classes": (lambda: NoiseNet(Nothing(), PROCESS).condition(1), "not built around a network"),
    "a model without a network": (lambda: Exact(CLASSES, PROCESS).condition(1), "not built around a network"),
    "weight NaN": (lambda: ClassifierFree(told(PROCESS), 1, torch.nan), "weight must be a finite"),
    "scale infinite": (
        lambda: ClassifierGuided(told(PROCESS), logits(PROCESS), 1, torch.inf),
        "scale must be a finite",
    ),
    "too few labels": (
        lambda: sample(told(PROCESS).condition(LABELS), Heun(), (6, 2), grid=TIMES),
        r"received 5, but there is a sample number 5",
    ),
    "labels of other rows": (
        lambda: told(PROCESS).condition(LABELS).denoise(normal(2, 2), TIMES[0]),
        "received 5 for 2 samples",
    ),
    "a classifier of fewer classes": (
        lambda: sample(ClassifierGuided(told(PROCESS), logits(PROCESS), 3), Heun(), (6, 2), grid=TIMES),
        r"classes > 3.*received \(6, 3\)",
    ),
    "a classifier of something else": (
        lambda: ClassifierGuided(told(PROCESS), lambda x, t: x.sum(1), 0).denoise(normal(2, 2), TIMES[0]),
        r"logits of shape \(2, classes\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_a_reason(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_guided_samples_follow_the_law_of_the_class() -> None:
    """Kolmogorov-Smirnov along both axes, 2 000 draws; level 1e-3."""
    model = ClassifierGuided(Exact(CLASSES, PROCESS), logits(PROCESS), 1)
    x = sample(model, Ancestral(), (2000, 2), grid=LogSNR(160).times(PROCESS), denoise=False).x.double()
    std = (VARIANCES[1].item() + 0.05**2) ** 0.5
    accept([ks_p(x[:, c], lambda v, c=c: stats.norm.cdf(v, MEANS[1, c], std)) for c in range(2)], LEVEL)
