"""How fast exact scores are sampled: ten thousand points in the plane from eight modes."""

from collections.abc import Callable

from benchmarks.timing import Row, compare, in_turn
from scorefield import VE, DPMpp2M, EulerMaruyama, Exact, GaussianMixture, Heun, Karras, Sampler, sample

POINTS, STEPS = 10_000, 32


def run(rounds: int = 15) -> list[Row]:
    """Return the time of each sampler beside Heun's."""
    process = VE(sigma_min=0.01, sigma_max=20.0)
    model, times = Exact(GaussianMixture.ring(), process), Karras(STEPS).times(process)

    def draw(sampler: Sampler) -> Callable[[], object]:
        return lambda: sample(model, sampler, (POINTS, 2), grid=times)

    samplers: dict[str, Sampler] = {"Heun": Heun(), "DPMpp2M": DPMpp2M(), "EulerMaruyama": EulerMaruyama()}
    sides = {f"{name}, {STEPS} steps, {POINTS} points": draw(sampler) for name, sampler in samplers.items()}
    return compare(in_turn(sides, rounds), next(iter(sides)), "points/s", POINTS)
