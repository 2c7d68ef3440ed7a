"""From advice on a data set to the configuration of a run."""

from typing import Any

from scorefield.advice import Advice
from scorefield.config.load import validate
from scorefield.config.run import DataConfig, RunConfig

__all__ = ["suggested"]


def suggested(a: Advice, data: DataConfig, event: tuple[int, ...]) -> RunConfig:
    """Return a run that trains on the suggested ladder and samples down it."""
    levels = {"kind": "geometric", "sigma_1": a.sigma_1, "sigma_L": a.sigma_L, "levels": a.levels}
    values: dict[str, Any] = {
        "name": "suggested",
        "data": data.model_dump(),
        "process": {"kind": "ve", "sigma_min": a.sigma_L, "sigma_max": a.sigma_1},
        "network": {"kind": "unet" if len(event) == 3 else "mlp"},
        "model": {"kind": "denoiser", "sigma_data": a.sigma_data, "mean_data": a.mean_data},
        "objective": {"kind": "multilevel_dsm", "levels": levels},
        "sampling": {
            "sampler": {"kind": "ald", "repeats": a.repeats, "relative_step": 2 * a.step_size / a.sigma_L**2},
            "grid": {"kind": "ladder", "levels": levels},
        },
    }
    return validate(RunConfig, values, "suggestion")
