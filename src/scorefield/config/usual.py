"""What a run means by a kind of which it says no more: settings of recipes, where a class's own defaults are those of its paper."""

from collections.abc import Mapping
from typing import Any

_LOGNORMAL = {"kind": "lognormal"}
_SECTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "objective": {
        "dsm": {"times": _LOGNORMAL, "weight": {"kind": "edm"}},
        "cross_entropy": {"times": {**_LOGNORMAL, "mean": -0.7}},
        "multilevel_dsm": {"levels": 10},
    },
    "model": {"ladder": {"levels": 10}},
}

_SAMPLERS: dict[str, dict[str, Any]] = {
    "ode": {"rtol": 1e-3, "atol": 1e-3},
    "pc": {"predictor": {"kind": "reverse_diffusion"}, "corrector": {"kind": "langevin_corrector"}},
    "ald": {"relative_step": 0.15, "repeats": 5},
}
_GRIDS: dict[str, dict[str, Any]] = {
    **{kind: {"kind": "log_snr", "steps": 1} for kind in ("ode", "sde")},
    **{kind: {"kind": "log_snr", "steps": 299} for kind in ("em", "reverse_diffusion", "ancestral")},
    "pc": {"kind": "log_snr", "steps": 149},
    "ald": {"kind": "ladder", "levels": 60},
    **{kind: {"kind": "constant", "steps": 1000} for kind in ("langevin", "langevin_corrector", "mala")},
}
_GRID = {"kind": "karras", "steps": 17}  # of the others, which solve the ODE


def section(noun: str, kind: str) -> dict[str, Any]:
    """Return the section of a model or an objective of which only the kind is known."""
    return {"kind": kind, **_SECTIONS.get(noun, {}).get(kind, {})}


def sampling(kind: str) -> Mapping[str, Any]:
    """Return the section of sampling of which only the sampler's kind is known."""
    return {"sampler": {"kind": kind, **_SAMPLERS.get(kind, {})}, "grid": _GRIDS.get(kind, _GRID)}
