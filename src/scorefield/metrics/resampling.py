r"""The standard error of any statistic of samples, from the spread it has over random halves of them.

A half of n rows, drawn without replacement, is half as precise, and half of that is shared with the whole: the variance over halves is the
variance at n itself, for every statistic that is close to a mean (subsampling, Politis & Romano 1994, with blocks of n/2). The bootstrap,
which draws rows with replacement, gives the same for moments, but not for what counts neighbours: two copies of a row are each
other's nearest neighbours. Its errors of precision, density and coverage come out up to 2.8 times too large, these within 0.9 to 1.3.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scorefield._checks import whole
from scorefield._noise import derive_seed
from scorefield.metrics.estimate import Estimate


def half_sampling(
    statistic: Callable[..., Sequence[float]], *samples: Tensor, replicates: int = 20, seed: int = 0
) -> list[Estimate]:
    """Return the numbers of ``statistic(*samples)``, each with its standard error.

    The value is that at all rows. A bias that depends on n, such as a Fréchet distance has, is neither removed nor part of the error.

    Args:
        statistic: takes the samples, returns one or more numbers.
        samples: rows of one or more independent samples; each is halved anew for every replicate.
        replicates: halves drawn; with r of them the error itself is known to about 1/√(2r).
        seed: of the halves.

    Raises:
        ValueError: a sample of fewer than four rows.
    """
    if min(len(x) for x in samples) < 4:
        raise ValueError(f"halves need at least four rows; received samples of {[len(x) for x in samples]} rows")
    whole(replicates, "replicates", 2)
    generator = torch.Generator().manual_seed(derive_seed(seed, "half-sampling"))

    def half(x: Tensor) -> Tensor:
        return x[torch.randperm(len(x), generator=generator)[: len(x) // 2]]

    spread = torch.tensor([statistic(*map(half, samples)) for _ in range(replicates)], dtype=torch.float64).std(dim=0)
    return [Estimate(value, error) for value, error in zip(statistic(*samples), spread.tolist(), strict=True)]
