"""The embedded digits: every one of scikit-learn's values, once, on 17 exact levels."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from scorefield.data import digits


def test_split_is_the_whole_set_in_order():
    train, test = digits(), digits(train=False)
    assert (train.x.shape, test.x.shape) == ((1500, 1, 8, 8), (297, 1, 8, 8))
    x = torch.cat([train.x, test.x]).reshape(-1, 64).numpy()
    values, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(torch.cat([train.labels, test.labels]).numpy(), labels)
    # The byte nearest to v/16 of 255 gives v back, so no level was lost or moved.
    np.testing.assert_array_equal(np.rint(x / 255 * 16), values)
    assert np.abs(x / 255 - values / 16).max() <= 0.5 / 255 + 1e-12


def test_levels_cover_the_unit_interval():
    levels = digits().x.unique()
    assert len(levels) == 17
    assert (levels[0], levels[-1]) == (0, 255)
    assert set(levels.diff().tolist()) <= {15, 16}
