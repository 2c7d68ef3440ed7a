"""What is set for all of PyTorch around a call changes none of its numbers, or is refused in a sentence."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import pytest
import torch
from torch import Tensor

import scorefield as sf
from scorefield.errors import ConfigError
from scorefield.samplers import MALA, AdaptiveSDE, Euler, EulerMaruyama
from turns import in_turn

RING = sf.GaussianMixture.ring(modes=8, radius=4.0, std=0.3)
VE = sf.VE(sigma_min=0.01, sigma_max=20.0)
X = RING.sample(16, torch.Generator().manual_seed(0))


def learned() -> sf.Denoiser:
    torch.manual_seed(0)
    return sf.Denoiser(sf.MLP(dim=2, width=16), VE, sigma_data=2.8)


def drawn(model: sf.ScoreModel, sampler: sf.Sampler, **more: object) -> Tensor:
    found = sf.sample(model, sampler, (4, 2), grid=sf.Karras(300 if "frames" in more else 4), **more)
    return found.x if found.trajectory is None else found.trajectory


def fitted(model: sf.Denoiser) -> Tensor:
    sf.fit(model, X, sf.DSM(), steps=3, batch_size=8)
    return torch.cat([p.flatten() for p in model.parameters()]).detach()


CALLS: dict[str, tuple[Callable[[], sf.ScoreModel], Callable[..., Tensor]]] = {
    "heun": (learned, partial(drawn, sampler=sf.Heun())),
    "exact": (lambda: sf.Exact(RING, VE), partial(drawn, sampler=EulerMaruyama(), generator="philox")),
    "adaptive": (learned, partial(drawn, sampler=AdaptiveSDE(rtol=0.3))),
    "mala": (lambda: sf.Exact(RING, VE), partial(drawn, sampler=MALA(0.1))),
    "frames": (
        learned,
        partial(drawn, sampler=Euler(), frames=77),
    ),  # in bfloat16 steps beyond 256 are not counted one by one
    "likelihood": (learned, lambda model: sf.log_likelihood(model, X[:3]).log_prob.detach()),
    "latents": (learned, lambda model: sf.encode(model, X[:3])),
    "fit": (learned, fitted),
}


@contextmanager
def kept(choose: Callable[..., object], value: object, former: object) -> Iterator[None]:
    choose(value)
    try:
        yield
    finally:
        choose(former)


AROUND: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "float64": partial(kept, torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16": partial(kept, torch.set_default_dtype, torch.bfloat16, torch.float32),
    "cpu": partial(kept, torch.set_default_device, "cpu", None),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "deterministic": partial(kept, torch.use_deterministic_algorithms, True, False),
    "autocast": partial(torch.autocast, "cpu", dtype=torch.bfloat16),
    "anomalies": partial(torch.autograd.set_detect_anomaly, True),
}
META: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "within": lambda: torch.device("meta"),
    "default": partial(kept, torch.set_default_device, "meta", None),
}


@pytest.fixture(scope="module")
def plain() -> dict[str, Tensor]:
    return {name: call(make()) for name, (make, call) in CALLS.items()}


@pytest.mark.usefixtures("seeded")
@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize(("name", "around"), in_turn(CALLS, AROUND))
def test_the_numbers_are_the_same(plain: dict[str, Tensor], name: str, around: str) -> None:
    make, call = CALLS[name]
    model = make()
    with AROUND[around]():
        found = call(model)
    assert found.dtype == plain[name].dtype
    assert torch.equal(found, plain[name])


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("around", META)
@pytest.mark.parametrize("name", CALLS)
def test_where_nothing_holds_numbers_a_sentence_says_so(name: str, around: str) -> None:
    make, call = CALLS[name]
    model = make()
    with (
        META[around](),
        pytest.raises(ConfigError, match=r"received meta as .* leave torch\.device\(\"meta\"\), or call"),
    ):
        call(model)


def test_so_is_what_a_model_would_be_loaded_into() -> None:
    with torch.device("meta"), pytest.raises(ConfigError, match="received meta as"):
        sf.load_model("digits")


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("name", [name for name, (make, _) in CALLS.items() if make is learned])
def test_so_does_a_model_that_holds_none(name: str) -> None:
    with pytest.raises(ConfigError, match=r"received a model on the device meta, .* make it outside of"):
        CALLS[name][1](learned().to("meta"))


def test_a_fork_of_a_process_that_trained_computes_and_ends():
    """OpenMP's threads are not in the child, which would wait for them: as workers of a loader do, it computes on one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fitted(learned())
        torch.rand(600, 600) @ torch.rand(600, 600)  # on two threads
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(30)  # of waiting without end
                torch.rand(600, 600) @ torch.rand(600, 600)
                drawn(learned(), sf.Heun())
                os._exit(0 if torch.isfinite(sf.log_likelihood(learned(), X).log_prob).all() else 1)
            finally:
                os._exit(2)  # not into the tests of its parent
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        torch.set_num_threads(threads)
