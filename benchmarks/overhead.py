"""What the library costs beside bare PyTorch: a training step against a hand-written loop, `sample` against bare network calls."""

from collections.abc import Callable

import torch

from benchmarks.timing import Row, compare, in_turn
from benchmarks.training import BATCH, network, stepper
from scorefield import EDM, Denoiser, EulerMaruyama, Heun, Karras, sample

STEPS = 10
IMAGES = 64


def run(rounds: int = 15) -> list[Row]:
    """Return both comparisons."""
    training = {"bare training step": bare_step(), "scorefield training step": stepper("fp32", False)}
    rows = compare(in_turn(training, rounds), "bare training step", "steps/s", 1)
    calls, heun, euler_maruyama = samplers()
    per_call = 2 * (STEPS - 1) + 1
    sampling = {f"{per_call} bare network calls": calls(per_call), f"sample(), Heun, {per_call} evaluations": heun}
    rows += compare(in_turn(sampling, rounds), f"{per_call} bare network calls", "images/s", IMAGES)
    stochastic = {
        f"{STEPS} bare network calls": calls(STEPS),
        f"sample(), Euler–Maruyama, {STEPS} evaluations": euler_maruyama,
    }
    return rows + compare(in_turn(stochastic, rounds), f"{STEPS} bare network calls", "images/s", IMAGES)


def bare_step() -> Callable[[], None]:
    """Return one step of the same network, loss, optimiser, clipping and average, written out by hand."""
    images = torch.randint(0, 256, (4096, 1, 28, 28), dtype=torch.uint8)
    net, sigma_data, mean = network(), 0.31, 0.13
    average = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        x = (images[torch.randint(0, 4096, (BATCH,))].float() + torch.rand(BATCH, 1, 28, 28)) / 256
        sigma = torch.exp(-1.893 + 1.2 * torch.randn(BATCH, 1, 1, 1))
        y = x + sigma * torch.randn_like(x) - mean
        norm = torch.sqrt(sigma**2 + sigma_data**2)
        out = net(y / norm, (torch.log(sigma) / 4).flatten())
        denoised = (sigma_data / norm) ** 2 * y + sigma * sigma_data / norm * out + mean
        weight = norm**2 / (sigma * sigma_data) ** 2
        loss = 0.5 * (weight * (denoised - x) ** 2).mean()
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, list(net.parameters()), 1e-3)
        loss.item()

    return step


def samplers() -> tuple[Callable[[int], Callable[[], None]], Callable[[], object], Callable[[], object]]:
    """Return bare calls of a denoiser, and `sample` with a deterministic and a stochastic sampler on the same denoiser."""
    process = EDM(0.002, 40.0)
    model = Denoiser(network(), process, sigma_data=0.31).eval()
    times, x = Karras(STEPS - 1).times(process), torch.randn(IMAGES, 1, 28, 28)

    def calls(count: int) -> Callable[[], None]:
        def bare() -> None:
            with torch.no_grad():
                for _ in range(count):
                    model.denoise(x, times[STEPS // 2])

        return bare

    def heun() -> object:
        return sample(model, Heun(), x.shape, grid=times)

    def euler_maruyama() -> object:
        return sample(model, EulerMaruyama(), x.shape, grid=times)

    return calls, heun, euler_maruyama
