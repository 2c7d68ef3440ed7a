"""Gaps are filled by draws of the model's own conditional distribution, in any units; what is known is not touched."""

import pytest
import torch

from scorefield import VE, ConfigError, Exact, Gaussian, Units
from scorefield.evaluation import impute, imputing
from scorefield.grids import Karras
from scorefield.guidance import Inpaint
from scorefield.samplers import Ancestral, Heun
from scorefield.sampling import sample

NAN, N = float("nan"), 500
C = torch.tensor([[1.0, 0.6, -0.6], [0.6, 1.0, 0.1], [-0.6, 0.1, 1.0]], dtype=torch.float64)
SHIFT, SCALE = torch.tensor([300.0, 0.0, -2e4]).double(), torch.tensor([1e-3, 5.0, 1e4]).double()
MODEL = Exact(Gaussian([0.0, 0.0, 0.0], C.tolist()), VE(0.002, 80.0)).in_units(Units(SHIFT, SCALE))
KNOWN, HIDDEN = [0, 2], [1]


def conditional() -> tuple[float, float]:
    """Return mean and variance of the middle coordinate, in standard units, given 3 and -2 beside it."""
    gain = C[HIDDEN][:, KNOWN] @ torch.linalg.inv(C[KNOWN][:, KNOWN])
    return (gain @ torch.tensor([3.0, -2.0]).double()).item(), (C[1, 1] - gain @ C[KNOWN][:, HIDDEN]).item()


def agrees(middle: torch.Tensor) -> bool:
    """Tell whether N draws have the conditional mean within five of its standard errors, and its variance within four: level 1e-4."""
    (mean, variance), y = conditional(), middle.double() / SCALE[1]
    near = abs(y.mean() - mean) < 5 * (variance / N) ** 0.5
    return bool(near and abs(y.var() - variance) < 4 * variance * (2 / N) ** 0.5)


def test_what_is_missing_is_drawn_conditioned_on_what_is_known(monkeypatch: pytest.MonkeyPatch):
    x = (SHIFT + SCALE * torch.tensor([3.0, 0.0, -2.0])).repeat(N, 1)
    x[:, 1] = NAN
    filled = impute(MODEL, x, grid=Karras(60))
    assert agrees(filled[:, 1])
    known = torch.isfinite(x)
    assert filled.dtype == torch.float64
    assert torch.equal(filled[known], x[known])  # bit for bit
    # A mutant: guidance alone, whose error particles are weighted for.
    monkeypatch.setattr(imputing, "Particles", lambda _: Ancestral())
    assert not agrees(impute(MODEL, x, grid=Karras(60))[:, 1])
    # Another: the known put back at every step, without a look at what later steps reveal.
    replaced = sample(Inpaint(MODEL, x[:1].nan_to_num(), known[:1]), Heun(), (N, 3), grid=Karras(30)).x
    assert not agrees(replaced[:, 1])


def test_what_is_known_is_known_as_well_of_small_numbers():
    """Of a density a thousandth wide, too: .9 of what was seen, within five standard errors."""
    narrow = Exact(Gaussian([0.0, 0.0], [[1e-6, 0.9e-6], [0.9e-6, 1e-6]]), VE(2e-6, 0.08))
    filled = impute(narrow, torch.tensor([[2e-3, NAN]]).repeat(100, 1), grid=Karras(20))[:, 1]
    assert abs(filled.mean() - 1.8e-3) < 5 * 1e-3 * (0.19 / 100) ** 0.5


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Tell whether rows are equal to a thousandth of the data's deviations."""
    return bool(((a - b).abs() < 1e-3 * SCALE).all())


def test_a_row_is_filled_the_same_whatever_stands_around_it():
    rows = torch.tensor([[NAN, 0.0, 1e4], [300.0, 1.0, 2.0], [NAN, NAN, NAN], [300.0, NAN, NAN], [NAN, 0.0, 1e4]])
    short = {"grid": Karras(4), "particles": 2}
    one, more = impute(MODEL, rows, **short), impute(MODEL, torch.cat([rows, rows]), **short)
    assert same(one, more[:5])
    assert not same(one[0], one[4])  # alike, with a seed each
    rows_beside = torch.cat([rows[1:2], rows[1:]])
    assert same(impute(MODEL, rows_beside, **short)[4], one[4])
    assert torch.equal(one[1], rows[1])
    assert torch.isfinite(one).all()
    assert not torch.equal(impute(MODEL, rows, seed=1, **short), one)
    assert not same(impute(MODEL, rows, seed=4, **short)[0], one[4])  # nor are seeds of rows those of other draws
    for wrong in (
        rows[0],
        rows / 0,
        torch.zeros(2, 3, dtype=torch.complex64),
        rows[:, :2],
        rows[:, :1],
        rows[..., None],
    ):
        with pytest.raises(ConfigError, match="x must"):
            impute(MODEL, wrong)


def test_the_rows_given_are_left_as_they_are():
    """In the data's own units and float32 nothing is converted on the way; a second imputation would find no gaps."""
    rows = torch.tensor([[NAN, 0.0, 1.0]])
    first, second = (impute(MODEL.in_units(None), rows, seed=k, grid=Karras(4), particles=2) for k in (0, 1))
    assert rows[0].isnan().tolist() == [True, False, False]
    assert first[0, 0] != second[0, 0]
