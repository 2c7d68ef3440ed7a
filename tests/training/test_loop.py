"""The training loop: what a step is, that it depends on nothing but the state and its number, and that it stops on nonsense."""

import copy
import gc
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from scorefield import DSM, VE, Denoiser, GaussianMixture, Optimization, TrainState, fit, train
from scorefield._noise import Noise
from scorefield.data import DensityBatches
from scorefield.errors import ConfigError
from scorefield.networks import MLP, UNet
from scorefield.training import OneProcess, StepRecord, checkpoint

TARGET = GaussianMixture.ring(modes=4, radius=2.0, std=0.3)
PROCESS = VE(sigma_min=0.05, sigma_max=5.0)
SETTINGS = Optimization(steps=20, learning_rate=2e-3, warmup=5, precision="fp32", seed=3)


def fresh(seed: int = 0) -> TrainState:
    torch.manual_seed(seed)
    return TrainState.create(Denoiser(MLP(2, width=16, depth=2), PROCESS, sigma_data=1.4), SETTINGS)


def advance(
    state: TrainState, settings: Optimization = SETTINGS, until: int | None = None, **kwargs
) -> list[StepRecord]:
    records = train(state, DensityBatches(TARGET, 32, 3, **kwargs), DSM(), settings)
    return [next(records) for _ in range((until or settings.steps) - state.step)]


def assert_equal(a: TrainState, b: TrainState) -> None:
    assert a.step == b.step
    ours, theirs = a.tensors(), b.tensors()
    assert ours.keys() == theirs.keys()
    for group in ours:
        assert ours[group].keys() == theirs[group].keys()
        for name in ours[group]:
            assert torch.equal(ours[group][name], theirs[group][name]), f"{group}.{name}"


@pytest.mark.promise("A3")
def test_same_seed_same_weights_other_seed_other_weights():
    one, two, other = fresh(), fresh(), fresh()
    assert advance(one) == advance(two)
    assert_equal(one, two)
    records = train(other, DensityBatches(TARGET, 32, 4), DSM(), SETTINGS)
    list(records)
    assert not torch.equal(
        one.tensors()["model"]["net.layers.0.weight"], other.tensors()["model"]["net.layers.0.weight"]
    )


@pytest.mark.promise("A2")
@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_resume_at_every_step_is_bit_equal(tmp_path: Path, every: int):
    """A2: all resumes of a run of 50 steps, each from the files of a checkpoint, end in the uninterrupted run."""
    settings = replace(SETTINGS, steps=50)
    whole, part = fresh(), fresh()
    advance(whole, settings)
    for step in range(1, 51, every):
        advance(part, settings, until=step)
        found = checkpoint.load(checkpoint.save(tmp_path, step, part.tensors(), {}, keep=1))
        resumed = fresh(seed=99)  # other initial weights: everything must come from the checkpoint
        resumed.restore(found.step, found.tensors)
        advance(resumed, settings)
        assert_equal(whole, resumed)


@pytest.mark.promise("A4")
@pytest.mark.parametrize(
    ("network", "x", "bound"),
    [(partial(MLP, 2, 64, 3), (2,), 0.0), (partial(UNet, 1, 8, width=8, depth=1), (1, 8, 8), 1e-6)],
)
def test_neither_progress_nor_threads_change_the_weights(network: partial[nn.Module], x: tuple[int, ...], bound: float):
    """A4: a bar changes no bit; another number of threads changes none but the last ones of convolutions, whose gradients threads add up.

    Batches are made by no workers, so there is no number of them to set.
    """
    torch.manual_seed(0)
    start, data = network(), torch.randn(40, *x)

    def weights(threads: int, progress: bool) -> torch.Tensor:
        torch.set_num_threads(threads)
        model = Denoiser(copy.deepcopy(start), PROCESS, sigma_data=1.0)
        fit(model, data, DSM(), steps=3, batch_size=32, progress=progress)
        return nn.utils.parameters_to_vector(model.parameters()).detach()

    before = torch.get_num_threads()
    try:
        quiet, shown, shared = (weights(*how) for how in ((1, False), (1, True), (2, False)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(quiet, shown)
    torch.testing.assert_close(shared, quiet, rtol=0, atol=bound)


@pytest.mark.promise("C3")
def test_the_global_generator_is_not_touched():
    state = fresh()
    before = torch.get_rng_state()
    advance(state)
    assert torch.equal(before, torch.get_rng_state())


def test_loss_is_the_objective_and_the_rate_is_the_schedule():
    state = fresh()
    records = advance(state)
    assert [r.step for r in records] == list(range(1, 21))
    assert records[0].learning_rate == pytest.approx(2e-3 / 5)
    assert records[4].learning_rate == pytest.approx(2e-3)
    assert records[12].learning_rate == pytest.approx(2e-3 * 0.5 * (1 + math.cos(math.pi * 7 / 15)))
    assert all(a.learning_rate > b.learning_rate for a, b in pairwise(records[5:]))


def test_ema_follows_its_recursion():
    state = fresh()
    records = train(state, DensityBatches(TARGET, 32, 3), DSM(), SETTINGS)
    history = [next(state.model.parameters()).detach().clone() for _ in records]
    expected = history[0]
    for n, current in enumerate(history[1:], start=1):
        decay = min(SETTINGS.ema_decay, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * current
    torch.testing.assert_close(next(state.ema.parameters()).detach(), expected, rtol=1e-5, atol=1e-7)


def test_clipping_bounds_the_step_taken():
    state = fresh()
    taken = []
    hook = state.optimizer.register_step_pre_hook(
        lambda *_: taken.append(torch.nn.utils.get_total_norm([p.grad for p in state.model.parameters()]).item())
    )
    records = advance(state, Optimization(steps=20, learning_rate=1e-3, warmup=100, clip=1e-3, precision="fp32"))
    hook.remove()
    assert max(r.grad_norm for r in records) > 1e-3
    assert max(taken) <= 1e-3 * (1 + 1e-5)


def test_the_norm_is_of_the_gradient_of_the_mean_loss_per_coordinate():
    """So that a threshold of clipping means the same for images of any size."""
    state, batches = fresh(), DensityBatches(TARGET, 32, 3)
    noise = Noise(range(32), (2,), stream=f"train {SETTINGS.seed}")
    loss = DSM()(state.model, batches.batch(0).x, noise).mean() / 2
    gradients = torch.autograd.grad(loss, list(state.model.parameters()))
    (record,) = advance(state, until=1)
    assert record.loss == pytest.approx(2 * loss.item(), rel=1e-5)
    assert record.grad_norm == pytest.approx(torch.nn.utils.get_total_norm(gradients).item(), rel=1e-5)


def test_a_model_without_parameters_is_refused():
    from scorefield import Exact

    with pytest.raises(ValueError, match="no trainable parameters"):
        TrainState.create(Exact(TARGET, PROCESS), SETTINGS)


def test_fit_learns_the_score_of_a_mixture():
    """After a short fit, the score's relative error at σ = 0.5 is well below that of the untrained model."""
    torch.manual_seed(0)
    model = Denoiser(MLP(2, width=64, depth=3), PROCESS, sigma_data=1.4)
    t = PROCESS.time(torch.tensor(0.5, dtype=torch.float64))
    noised = TARGET.diffuse(1.0, 0.5)
    x = noised.sample(2000, torch.Generator().manual_seed(0))

    def error() -> float:
        with torch.no_grad():
            truth = noised.score(x)
            return ((model.score(x, t) - truth).square().sum() / truth.square().sum()).item()

    before = error()
    records = fit(model, TARGET, DSM(), steps=600, batch_size=256, learning_rate=3e-3)
    assert len(records) == 600
    assert before > 0.3
    assert error() < 0.12


def test_fit_takes_a_tensor_and_leaves_the_average_in_the_model():
    torch.manual_seed(0)
    model = Denoiser(MLP(2, 16, 2), PROCESS, sigma_data=1.4)
    start = copy.deepcopy(model.state_dict())
    fit(model, TARGET.sample(100), DSM(), steps=3, batch_size=10)
    assert not model.training
    assert any(not torch.equal(start[name], value) for name, value in model.state_dict().items())


def test_the_guide_is_the_average_of_its_step_and_survives_a_restart():
    settings = replace(SETTINGS, guide_step=7)
    early, whole = fresh(), fresh()
    advance(early, until=7)
    advance(whole, settings)
    assert whole.guide is not None
    assert all(torch.equal(whole.guide[name], value) for name, value in early.ema.state_dict().items())
    assert not torch.equal(whole.guide["net.layers.0.weight"], whole.ema.state_dict()["net.layers.0.weight"])
    resumed = fresh(1)
    resumed.restore(whole.step, whole.tensors())
    assert_equal(resumed, whole)
    resumed.restore(7, early.tensors())
    assert resumed.guide is None


class Dropping(nn.Module):
    """An MLP that forgets half of what it knows at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = MLP(2, width=16, depth=2)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.inner(x, noise), 0.5, self.training)


def test_dropout_is_a_function_of_seed_and_step_and_leaves_the_global_generator_alone():
    def losses(seed: int, global_seed: int) -> list[float]:
        torch.manual_seed(0)
        model = Denoiser(Dropping(), PROCESS, sigma_data=1.4)
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        found = [record.loss for record in fit(model, TARGET, DSM(), steps=3, batch_size=32, seed=seed)]
        assert torch.equal(torch.get_rng_state(), before)
        return found

    assert losses(1, 7) == losses(1, 8) != losses(2, 7)


class Diary(Dropping):
    """One that writes down what it would draw."""

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        self.drawn = [*getattr(self, "drawn", []), torch.rand(()).item()]
        return super().forward(x, noise)


def test_every_step_drops_something_else():
    torch.manual_seed(0)
    net = Diary()
    fit(Denoiser(net, PROCESS, sigma_data=1.4), TARGET, DSM(), steps=4, batch_size=8)
    assert len(set(net.drawn)) == 4


POINTS = TARGET.sample(64, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "data",
    [
        POINTS,
        POINTS.numpy(),
        POINTS.double().numpy(),
        list(POINTS),
        [row.tolist() for row in POINTS],
        torch.utils.data.TensorDataset(POINTS),
    ],
    ids=["tensor", "array", "float64 array", "list of tensors", "list of lists", "torch data set"],
)
def test_fit_takes_examples_in_any_form(data):
    one, two = fresh().model, fresh().model
    assert fit(one, data, DSM(), steps=3, batch_size=16) == fit(two, POINTS, DSM(), steps=3, batch_size=16)


def test_fit_takes_a_loader_and_goes_round_it():
    seen = []
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(POINTS), batch_size=24)

    def counting(model, x0, noise=None):
        seen.append(len(x0))
        return DSM()(model, x0, noise)

    fit(fresh().model, loader, counting, steps=7)
    assert seen == [24, 24, 16, 24, 24, 16, 24]


def test_every_row_of_uneven_batches_has_noise_of_its_own():
    drawn = []

    def watching(model, x0, noise=None):
        drawn.append(noise.rows(slice(0, len(x0))).normal())
        return DSM()(model, x0, noise)

    fit(fresh().model, torch.utils.data.DataLoader(POINTS, batch_size=24), watching, steps=9)
    rows = torch.cat(drawn)
    assert len(rows) == 3 * 64
    assert len(rows.unique(dim=0)) == len(rows)


def test_an_iterator_of_as_many_batches_as_steps_is_enough():
    batches = POINTS.split(8)
    assert fit(fresh().model, iter(batches), DSM(), steps=8) == fit(fresh().model, iter(batches * 2), DSM(), steps=8)
    with pytest.raises(ConfigError, match="an iterator can be used up"):
        fit(fresh().model, iter(batches), DSM(), steps=9)


@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16], ids=str)
def test_batches_of_half_precision_are_noised_in_float32(narrow: torch.dtype):
    """What float16 rounds to 0 or infinity at the process's ends, and bfloat16 to two digits, is as exact as of data in memory."""
    points = POINTS.to(narrow)
    in_half, in_full = (
        fit(fresh().model, torch.utils.data.DataLoader(x, batch_size=16), DSM(), steps=4)
        for x in (points, points.float())
    )
    assert in_half == in_full


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3.0, "received float"),
        ([torch.zeros(2), torch.zeros(3)], "side by side"),
        (iter([]), "yielded no batch"),
        (iter(["a"]), "must yield float tensors"),
    ],
)
def test_fit_says_what_it_cannot_take(data, words: str):
    with pytest.raises(ValueError, match=words):
        fit(fresh().model, data, DSM(), steps=1)  # pyright: ignore[reportArgumentType]


@pytest.mark.promise("H2")
@pytest.mark.parametrize("steps", [80, pytest.param(2000, marks=pytest.mark.slow)])
def test_nothing_piles_up_over_a_long_training(steps: int):
    """As many tensors are alive after the last step as after the twentieth; one kept per step would show."""
    state, batches = fresh(), DensityBatches(TARGET, 32, 3)
    alive = [
        tensors_alive()
        for record in train(state, batches, DSM(), replace(SETTINGS, steps=steps))
        if record.step in (20, steps)
    ]
    assert alive[0] == alive[1]


def tensors_alive() -> int:
    gc.collect()
    return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("how", [True, "graphs"])
def test_a_compiled_network_takes_the_same_steps(how):
    """To 1e-6, in parts of a batch too; on a CPU there are no graphs, and "graphs" compiles."""
    eager, compiled = (
        [record.loss for record in advance(fresh(), replace(SETTINGS, compile=asked, accumulate=2), 5)]
        for asked in (False, how)
    )
    assert compiled == pytest.approx(eager, rel=1e-6)


def test_gradients_do_not_live_where_a_graph_is_replayed(monkeypatch):
    """Each parameter has its own before the first pass: else it keeps what the graph returned, which the next replay overwrites."""
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **how: None)
    ready = dict[object, bool]()

    class Watched(OneProcess):
        def backward(self, loss):
            ready[how] = all(p.grad is not None for p in state.model.parameters())
            super().backward(loss)

    for how in (False, "graphs"):
        state = fresh()
        next(train(state, DensityBatches(TARGET, 32, 3), DSM(), replace(SETTINGS, compile=how), Watched()))
    assert ready == {False: False, "graphs": True}
