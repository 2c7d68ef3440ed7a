"""Score-based generative modelling in which an exact score and a learned score are the same type.

    target = GaussianMixture.ring(modes=8, radius=4.0, std=0.3)
    process = VE(sigma_min=0.01, sigma_max=20.0)
    model = Denoiser(MLP(dim=2), process, sigma_data=2.8)
    fit(model, target, DSM(), steps=5_000)
    learned = sample(model, Heun(), shape=(10_000, 2), grid=Karras(31), seed=0)

The names are those of ``__init__.pyi``, each imported when it is first used, so that ``import scorefield`` costs nothing.
"""

import lazy_loader

__version__ = "0.1.0"

_first_use, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'scorefield' has no attribute {name!r}")
    return _first_use(name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
