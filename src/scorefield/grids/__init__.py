"""Where a sampler stops on its way from noise to data: grids of times, their transitions, and the ladders of noise levels of NCSN."""

from scorefield.grids.cuts import Constant, Counted, Fitted, Grid, Karras, Ladder, LogSNR, Uniform, times_of
from scorefield.grids.levels import cosine, ends, geometric, linear, sigmoid
from scorefield.grids.step import Step, steps_of

__all__ = [
    "Constant",
    "Counted",
    "Fitted",
    "Grid",
    "Karras",
    "Ladder",
    "LogSNR",
    "Step",
    "Uniform",
    "cosine",
    "ends",
    "geometric",
    "linear",
    "sigmoid",
    "steps_of",
    "times_of",
]
