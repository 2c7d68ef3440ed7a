"""Score-based generative modelling in which an exact score and a learned score are the same type.

    target = GaussianMixture.ring(modes=8, radius=4.0, std=0.3)
    process = VE(sigma_min=0.01, sigma_max=20.0)
    model = Denoiser(MLP(dim=2), process, sigma_data=2.8)
    fit(model, target, DSM(), steps=5_000)
    learned = sample(model, Heun(), shape=(10_000, 2), grid=Karras(31), seed=0)

The names are those of ``__init__.pyi``, each imported when it is first used, so that ``import scorefield`` costs nothing.
"""

from importlib import import_module

import lazy_loader

__version__ = "0.1.0"

_first_use, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
_ROOMS = ("errors", "_noise", "_tensors", "config", "densities", "grids", "guidance", "likelihood", "metrics")
_ROOMS += ("networks", "objectives", "pretrained", "processes", "sampling", "training", "units")
_OTHERS = ("advice", "data", "evaluation", "hub", "interop", "plotting", "runs", "samplers", "toys")  # rooms, too


def __getattr__(name: str) -> object:
    if name in __all__:
        return _first_use(name)
    if not name.startswith("_"):
        if name in (*_ROOMS, *_OTHERS):
            return import_module(f"scorefield.{name}")
        # Names of the first edition's front, which are in their rooms now, are found there.
        for room in (import_module(f"scorefield.{room}") for room in _ROOMS):
            if name in room.__all__:
                return getattr(room, name)
    from difflib import get_close_matches  # here alone, so that the front stays quick

    near = get_close_matches(name, __all__, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise AttributeError(f"module 'scorefield' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
