"""Models compared with data they were not trained on: quality, likelihood, calibration, each number with its error."""

from scorefield.evaluation.data import LEAST, RealData, labelled_examples, real_data
from scorefield.evaluation.imputing import impute
from scorefield.evaluation.likelihood import DRAWS, TOLERANCE, bits, likelihood_of, nats, parts_of
from scorefield.evaluation.measures import evaluate_samples
from scorefield.evaluation.page import calibration_page, page, render, render_calibration, render_likelihood
from scorefield.evaluation.restorations import compared, conditioned, deviation, measured
from scorefield.metrics import ImageJudge

__all__ = [
    "DRAWS",
    "LEAST",
    "TOLERANCE",
    "ImageJudge",
    "RealData",
    "bits",
    "calibration_page",
    "compared",
    "conditioned",
    "deviation",
    "evaluate_samples",
    "impute",
    "labelled_examples",
    "likelihood_of",
    "measured",
    "nats",
    "page",
    "parts_of",
    "real_data",
    "render",
    "render_calibration",
    "render_likelihood",
]
