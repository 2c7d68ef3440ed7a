"""Toys: densities of the plane whose score is known. Their scores are learned, sampled, measured and drawn beside the exact ones."""

from scorefield.toys.comparison import draw, pictures, transitions
from scorefield.toys.known import TOYS, Chain, Plan, Toy, chains, described, plan
from scorefield.toys.learning import OBJECTIVES, learn, objective
from scorefield.toys.measures import Rows, field_errors, sample_measures, table, weights

__all__ = [
    "OBJECTIVES",
    "TOYS",
    "Chain",
    "Plan",
    "Rows",
    "Toy",
    "chains",
    "described",
    "draw",
    "field_errors",
    "learn",
    "objective",
    "pictures",
    "plan",
    "sample_measures",
    "table",
    "transitions",
    "weights",
]
