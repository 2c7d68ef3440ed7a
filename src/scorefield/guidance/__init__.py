"""Control: class conditions, known pixels, measurements; and a model guided by a weaker version of itself.

A model states the problem and guides any sampler (`AutoGuided`, `ClassifierFree`, `ClassifierGuided`, `Inpaint`, `LinearGaussian`);
methods that need the step itself wrap a sampler (`RePaint`, `DPS`) or are one (`Particles`), and read the problem from their model.
"""

from scorefield.guidance.auto import AutoGuided
from scorefield.guidance.classes import ClassifierFree, ClassifierGuided
from scorefield.guidance.inpainting import Inpaint, RePaint
from scorefield.guidance.masks import HIDDEN_PARTS, hidden_part
from scorefield.guidance.measurement import DPS, LinearGaussian
from scorefield.guidance.operators import Blur, Downsample, LinearOperator, Mask, MatrixFree, Project
from scorefield.guidance.particles import Particles

PiGDM = LinearGaussian
"""The rule of `LinearGaussian`, by its name in Song, Vahdat, Mardani & Kautz (2023)."""
TwistedDiffusion = Particles
"""The method of `Particles`, by its name in Wu et al. (2023), also TDS."""

__all__ = [
    "DPS",
    "HIDDEN_PARTS",
    "AutoGuided",
    "Blur",
    "ClassifierFree",
    "ClassifierGuided",
    "Downsample",
    "Inpaint",
    "LinearGaussian",
    "LinearOperator",
    "Mask",
    "MatrixFree",
    "Particles",
    "PiGDM",
    "Project",
    "RePaint",
    "TwistedDiffusion",
    "hidden_part",
]
