"""Models of other projects, in and out: their files, read without executing anything in them, and their objects in Python."""

from scorefield.interop.adapters import from_azula, from_denoiser, from_diffusers, from_sbi
from scorefield.interop.layouts import Imported, Layout, Moments, Weights, read_weights, write_weights
from scorefield.interop.score_sde_file import read_score_sde, write_score_sde

__all__ = [
    "Imported",
    "Layout",
    "Moments",
    "Weights",
    "from_azula",
    "from_denoiser",
    "from_diffusers",
    "from_sbi",
    "read_score_sde",
    "read_weights",
    "write_score_sde",
    "write_weights",
]
