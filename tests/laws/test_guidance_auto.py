"""A model guided by a weaker one: what it is at weight 0, what it does to a Gaussian, what it refuses."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scorefield import (
    EDM,
    VE,
    VP,
    AutoGuided,
    Classifier,
    ClassifierGuided,
    ConfigError,
    Exact,
    Gaussian,
    Heun,
    Inpaint,
    Karras,
    LinearGaussian,
    Mask,
    Noise,
    Process,
    ScoreModel,
    sample,
)
from scorefield.objectives import Distillation

PROCESSES: dict[str, Process] = {"ve": VE(0.01, 20.0), "vp": VP(), "edm": EDM()}

STRONG, WEAK = 0.5, 0.7


def exact(process: Process, std: float) -> Exact:
    return Exact(Gaussian(torch.zeros(2, dtype=torch.float64), std**2), process)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_the_score_is_extrapolated(process: Process) -> None:
    """In any view: the score, the noise and the denoised are linear in one another."""
    x, t = torch.linspace(-3, 3, 10).double().reshape(5, 2), torch.tensor(0.6, dtype=torch.float64) * process.t_max
    strong, weak = exact(process, STRONG), exact(process, WEAK)
    guided = AutoGuided(strong, weak, 1.5)
    for view in ("denoise", "score", "noise"):
        a, b = getattr(strong, view)(x, t), getattr(weak, view)(x, t)
        torch.testing.assert_close(getattr(guided, view)(x, t), a + 1.5 * (a - b))
    torch.testing.assert_close(AutoGuided(strong, weak, 0.0).denoise(x, t), strong.denoise(x, t))
    assert guided.evaluations == 2


def shrunk(guided: ScoreModel, times: Tensor) -> tuple[float, int]:
    """Return what the flow multiplies states by, the same in every coordinate of each, and how often it asked the models."""
    drawn = sample(guided, Heun(), (4, 2), grid=times, frames=len(times))
    assert drawn.trajectory is not None
    factors = drawn.x / drawn.trajectory[0]
    assert factors.std() < 1e-4 * factors.mean()
    return factors.mean().item(), drawn.evaluations


def test_a_gaussian_guided_by_a_wider_one_is_narrower_as_in_closed_form() -> None:
    """The flow of the guided score is linear: d ln y / d ln σ = (1 + w) σ²/(σ² + a²) − w σ²/(σ² + b²), so that from σ_max to 0

        std = σ_max ((a²/(σ_max² + a²))^{(1 + w)/2}) ((b²/(σ_max² + b²))^{−w/2})

    which 400 steps of Heun meet within 1e-3, whatever is drawn."""
    process, w = PROCESSES["edm"], 1.0
    guided = AutoGuided(exact(process, STRONG), exact(process, WEAK), w)
    top = process.ratio(torch.tensor(process.t_max, dtype=torch.float64)).item()
    assert guided.prior(process.t_max).std.max().item() == pytest.approx(top, rel=1e-3)

    def shrink(std: float) -> float:
        return (std**2 / (top**2 + std**2)) ** 0.5

    expected = shrink(STRONG) ** (1 + w) / shrink(WEAK) ** w
    assert shrunk(guided, Karras(399).times(process))[0] == pytest.approx(expected, rel=1e-3)
    assert top * expected < 0.8 * STRONG


def test_in_an_interval_it_guides_there_alone_and_costs_what_it_did() -> None:
    """The same flow, where w counts between the ratios h and l only: a factor ((l² + a²)(h² + b²) / (h² + a²)(l² + b²))^{w/2} beside
    the unguided flow, within 1e-3; the evaluations are counted as they were spent."""
    process, w, steps, (first, last) = PROCESSES["edm"], 2.0, 200, (100, 149)
    times = Karras(steps - 1).times(process)
    high, low = (process.ratio(times[k]).item() for k in (first, last + 1))
    guided = AutoGuided(exact(process, STRONG), exact(process, WEAK), w, (process.ratio(times[last]).item(), high))
    a, b = STRONG**2, WEAK**2
    expected = ((low**2 + a) * (high**2 + b) / ((high**2 + a) * (low**2 + b))) ** (w / 2)
    (found, evaluations), (plain, _) = (shrunk(guide, times) for guide in (guided, exact(process, STRONG)))
    assert found / plain == pytest.approx(expected, rel=1e-3)
    assert 0.5 < expected < 0.9
    guided_transitions = last - first + 1
    assert evaluations == 2 * (steps - 1 + guided_transitions) + 1


AROUND: dict[str, Callable[[ScoreModel], ScoreModel]] = {
    "inpaint": lambda m: Inpaint(m, torch.zeros(1, 2), torch.tensor([[True, False]])),
    "measurement": lambda m: LinearGaussian(m, Mask(torch.tensor([True, False])), torch.zeros(1, 1), 0.5),
    "classifier": lambda m: ClassifierGuided(m, lambda x, t: torch.stack([x[:, 0], -x[:, 0]], 1), 0),
    "itself": lambda m: AutoGuided(m, exact(PROCESSES["edm"], WEAK), 0.0),
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_an_interval_counts_inside_of_other_guidance_too(around: Callable[[ScoreModel], ScoreModel]) -> None:
    """Independent coordinates: what the other guidance does not see is drawn as without it, and what is not spent is not counted."""
    process, few = PROCESSES["edm"], (8, 2)
    strong = exact(process, STRONG)
    never = AutoGuided(strong, exact(process, WEAK), 2.0, (100.0, 200.0))
    drawn, plain = (sample(around(m), Heun(), few, grid=Karras(9)) for m in (never, strong))
    torch.testing.assert_close(drawn.x, plain.x)
    assert drawn.evaluations == plain.evaluations
    always = sample(around(AutoGuided(strong, exact(process, WEAK), 2.0)), Heun(), few, grid=Karras(9))
    assert (always.x[:, 1] - plain.x[:, 1]).abs().min() > 1e-3
    assert always.evaluations > plain.evaluations


def test_rows_and_refusals() -> None:
    process = PROCESSES["edm"]
    guided = AutoGuided(exact(process, STRONG), exact(process, WEAK), 1.0, (0.1, 2.0))
    assert (guided.rows(torch.tensor([0])).weight, guided.rows(torch.tensor([0])).interval) == (1.0, (0.1, 2.0))
    with pytest.raises(ConfigError, match="interval must be two ascending"):
        AutoGuided(exact(process, STRONG), exact(process, WEAK), 1.0, (2.0, 0.1))
    with pytest.raises(ConfigError, match="weight must be a finite number"):
        AutoGuided(exact(process, STRONG), exact(process, WEAK), float("nan"))


BESIDE: dict[str, Callable[[ScoreModel, ScoreModel], object]] = {
    "AutoGuided": lambda model, other: AutoGuided(model, other, 1.0),
    "ClassifierGuided": lambda model, other: ClassifierGuided(
        model, Classifier(torch.nn.Identity(), other.process, 1.0), 0
    ),
    "Distillation": lambda model, other: Distillation(other, Heun(), Karras(2))(
        model, torch.zeros(4, 2), Noise(range(4), (2,))
    ),
}


@pytest.mark.parametrize("other", [VP(), VE(0.02, 20.0), EDM()], ids=str)
@pytest.mark.parametrize("name", BESIDE)
def test_a_model_of_another_process_is_refused(name: str, other: Process) -> None:
    """The same state at the same time would be another noise level to it. The same process, cut elsewhere, is the same."""
    model = exact(PROCESSES["ve"], STRONG)
    with pytest.raises(ConfigError, match="process"):
        BESIDE[name](model, exact(other, WEAK))
    BESIDE[name](model, exact(VE(0.01, 20.0), WEAK))
    BESIDE[name](exact(EDM(0.01, 50.0), STRONG), exact(EDM(), WEAK))
