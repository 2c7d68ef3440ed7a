"""Pictures: images and films of their making, curves, scores and samples in the plane. All is written to files."""

import lazy_loader

# Most of it needs matplotlib, a grid of images does not.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
