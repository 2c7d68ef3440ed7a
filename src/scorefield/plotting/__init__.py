"""Pictures: images, animations of sampling, curves, scores and samples in the plane, written to files or drawn in axes."""

import lazy_loader

# Most of it needs matplotlib, a grid of images does not.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
