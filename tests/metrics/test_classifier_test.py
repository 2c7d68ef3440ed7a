"""Whether a network can distinguish samples from data: ½ where it cannot, 1 where anyone can, and never from what it was trained on."""

import pytest
import torch
from torch import Tensor

from laws.cases import normal
from scorefield.metrics import classifier_test, classifier_two_sample, image_views
from scorefield.metrics.strokes import STROKES, stroke_tails, strokes

FEW = {"trainings": 2, "steps": 150}


def blobs(n: int, seed: int) -> Tensor:
    """Return images of 8x8: squares of uneven grey on black, in a place at random."""
    where = torch.randint(0, 5, (n, 2), generator=torch.Generator().manual_seed(seed))
    x = torch.zeros(n, 1, 8, 8)
    for k, (i, j) in enumerate(where.tolist()):
        x[k, 0, i : i + 3, j : j + 3] = 1.0
    return x * (1 - 0.3 * normal(n, 1, 8, 8, seed=seed + 100).abs().float()).clamp(0, 1)


def test_images_of_one_distribution_are_distinguished_half_of_the_time() -> None:
    """Level 6e-5; networks that have learnt 200 images by heart know nothing of 200 others."""
    found = classifier_two_sample(blobs(400, 1), blobs(400, 2), **FEW)
    assert abs(found.accuracy.value - 0.5) < 4 * found.accuracy.error < 0.11
    assert len(found.drawn) == len(found.real) == 400


@pytest.mark.slow
def test_rows_trained_on_would_count_as_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: where the rows tested are those trained on, images of one distribution are told apart."""
    halves = classifier_test._halves
    monkeypatch.setattr(classifier_test, "_halves", lambda *of: ((rows, rows) for rows, _ in halves(*of)))
    found = classifier_two_sample(blobs(60, 1), blobs(60, 2), trainings=2, steps=200)
    assert found.accuracy.value - 0.5 > 4 * found.accuracy.error


@pytest.mark.parametrize("units", [pytest.param(1.0, marks=pytest.mark.slow), 255.0])
def test_a_haze_is_seen_in_any_units_and_only_where_it_is(units: float) -> None:
    """One part in a hundred of the range, on black: all of it is seen, and nothing of it once images are binarised."""
    clean, other = blobs(400, 1), blobs(400, 2)
    hazy = torch.where(other == 0, other + 0.01, other)
    views = [image_views(units * x, (0.0, units)) for x in (hazy, clean)]
    found = {
        name: classifier_two_sample(views[0][name], views[1][name], **FEW) for name in ("as they are", "binarised")
    }
    assert found["as they are"].accuracy.value > 0.95
    assert found["as they are"].drawn.mean() > 0.8 > 0.2 > found["as they are"].real.mean()
    assert abs(found["binarised"].accuracy.value - 0.5) < 4 * found["binarised"].accuracy.error


def pairs_of_marks(n: int, apart: int, seed: int) -> Tensor:
    """Return a mark near each end of 4x28 pixels, in one of four turns; that of the right is as many quarters from that of the left."""
    left = torch.randint(0, 4, (n,), generator=torch.Generator().manual_seed(seed))
    mark = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    turned = torch.stack([mark.rot90(k) for k in range(4)])
    x = torch.zeros(n, 1, 4, 28)
    x[:, 0, 1:3, 1:3], x[:, 0, 1:3, 24:26] = turned[left], turned[(left + apart) % 4]
    return x


def test_order_across_the_image_is_seen() -> None:
    """Marks that agree and marks that do not: every patch that sees one of them is as frequent in both. The mutant sees 15 pixels."""
    same, opposite = pairs_of_marks(100, 0, seed=1), pairs_of_marks(100, 2, seed=2)
    assert classifier_two_sample(same, opposite, trainings=2, steps=80).accuracy.value > 0.9


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"four or more images of each.*\(9, 2\)"):
        classifier_two_sample(normal(9, 2), normal(9, 2))


def bars(slants: Tensor, width: float = 3.0, height: int = 16) -> Tensor:
    """Return slanted bars on 32x32 pixels, their edges one pixel wide."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    away = (x - 15.5 + slants[:, None, None] * (y - 15.5)).abs()
    across = (width / 2 + 0.5 - away).clamp(0, 1)
    return (across * ((y - 15.5).abs() <= height / 2)).unsqueeze(1)


def test_moments_of_a_bar_are_its_slant_thickness_and_size() -> None:
    slants = torch.tensor([-0.3, 0.0, 0.4])
    found = strokes(bars(slants))
    assert list(found) == list(STROKES)
    torch.testing.assert_close(found["slant"].float(), slants, rtol=0, atol=0.01)
    assert abs(found["ink"][1].item() - 3 * 16) < 1e-6
    # The edge of a bar of 3 by 16 is 38 long; a central difference rounds its corners.
    assert abs(found["thickness"][1].item() - 2 * 48 / 38) < 0.15
    assert abs(found["size"][1].item() - ((3**2 + 16**2) / 12) ** 0.5) < 0.05


def test_tails_that_are_cut_are_missed() -> None:
    """Slants of one standard deviation less than data: KS rejects, and fewer lie beyond the data's percentiles. Level .05, and 1e-4."""
    label = torch.arange(600) % 2
    data, same = (bars(0.2 * normal(600, seed=seed).float()) for seed in (1, 2))
    narrow = bars(0.1 * normal(600, seed=3).float())
    good, bad = (stroke_tails(x, label, data, label)["slant"] for x in (same, narrow))
    assert good.rejected == 0
    assert abs(good.beyond.value - 0.05) < 4 * good.beyond.error
    assert bad.rejected == 2
    assert bad.beyond.value < 0.02
