"""Is it right? Distances between samples, distances to a known distribution, chains that mix, samples that are sound.

A number that was estimated comes with its standard error, as an `Estimate`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
