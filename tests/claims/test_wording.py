"""What readers see of a stored result: no verdict twice, no bare exponents, no probability of zero, a caption for each figure."""

import re
from typing import Any

import pytest

from scorefield_claims.catalogue import CLAIMS
from scorefield_claims.wording import caption, in_words, method, numbers, plain, reason


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("the losses differ by 3.7e-14", "the losses differ by 3.7·10⁻¹⁴"),
        ("1.89e+03 times", "1890 times"),
        ("copies (p = 1e-16)", "copies (p = 10⁻¹⁶)"),
        ("(χ² p = 0); 4 of 7", "(χ² p < 10⁻³⁰⁰); 4 of 7"),
        ("(χ² p = 0.72)", "(χ² p = 0.72)"),
        ("p = 7.3e-03", "p = 0.0073"),
        ("98.2% of them, 95 % interval", "98.2 % of them, 95 % interval"),
        ("3: score error at D = 2, not told", "Technique 3: score error at D = 2, not given σ"),
        ("2: overlap by rule", "Technique 2: overlap by rule"),
        ("diversity, told the class", "diversity, plain conditioning"),
        ("cannot be told in 3", "cannot be told in 3"),
    ],
)
def test_a_stored_text_is_read_as_people_write(stored: str, read: str):
    assert plain(stored) == read


@pytest.mark.parametrize("begins", ["does not hold: ", "cannot be told: ", "holds only if ", ""])
def test_a_reason_does_not_repeat_the_verdict_beside_it(begins: str):
    assert reason({"reason": f"{begins}it rains: 2 of 3"}) == "it rains: 2 of 3"


@pytest.mark.parametrize(
    ("value", "error", "read"),
    [
        (0.123456, 0.01, "0.123 [0.104, 0.143]"),
        (3.2e-5, 0.0, "3.2·10⁻⁵"),
        (123.4, 20.0, "123 [84, 163]"),
        (-2e-9, 1e-9, "-2.00·10⁻⁹ [-3.96·10⁻⁹, -0.04·10⁻⁹]"),
        (9.65e-5, 6.6e-6, "0.965·10⁻⁴ [0.836·10⁻⁴, 1.094·10⁻⁴]"),
        (None, 0.0, "not finite"),
    ],
)
def test_a_number_has_the_digits_that_its_error_warrants(value: float | None, error: float, read: str):
    low, high = (None, None) if value is None else (value - 1.96 * error, value + 1.96 * error)
    measured: Any = {"value": value, "error": error, "low": low, "high": high}
    assert in_words(measured) == read


def test_a_share_of_all_has_an_interval_too():
    assert in_words({"value": 1.0, "error": 0.0, "low": 0.9962, "high": 1.0}) == "1.0000 [0.9962, 1.0000]"


def test_a_probability_that_underflowed_is_below_something_and_a_share_may_be_zero():
    zero = {"value": 0.0, "error": 0.0, "low": 0.0, "high": 0.0}
    assert numbers({"measures": {"χ² p-value, one": zero, "precision": zero}}) == {
        "χ² p-value, one": "below 10⁻³⁰⁰",
        "precision": "0",
    }


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_says_how_it_is_measured_and_what_its_figure_shows(name: str):
    assert method(name)
    assert re.fullmatch(r"[A-Z].{30,}\.", caption(name))
    assert "``" not in caption(name)
