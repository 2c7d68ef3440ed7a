"""Has a chain mixed? Effective sample size and split R̂, by arviz-stats, of the trajectory `sample` returns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import as_number, numbers
from scorefield.errors import needing


@dataclass(frozen=True)
class ChainDiagnostics:
    """Convergence of n parallel chains, one number per coordinate of the event.

    Attributes:
        chains: n, how many.
        draws: states per chain that were used.
        ess: bulk effective sample size of all chains together (Vehtari et al. 2021): how many independent draws the mean is worth.
        rhat: rank-normalised split R̂; mixed chains have less than 1.01.
    """

    chains: int
    draws: int
    ess: list[float]
    rhat: list[float]

    @property
    def mixed(self) -> bool:
        """Whether every coordinate has R̂ < 1.01 and ESS > 400, the limits of Vehtari et al. (2021); one that never moved has neither."""
        return all(r < 1.01 for r in self.rhat) and all(size > 400 for size in self.ess)


def diagnose_chains(trajectory: Float[Tensor, "frames n *d"], *, discard: float = 0.5) -> ChainDiagnostics:
    """Return the diagnostics of the chains of `Samples.trajectory`: ask for it with ``frames`` = transitions + 1 and no closing denoising.

    Args:
        trajectory: frames of n chains.
        discard: leading share of the frames left out as burn-in.

    Cost: O(frames log frames) per chain and coordinate. Needs the ``metrics`` extra.

    Raises:
        ValueError: fewer than eight frames remain.
    """
    with needing("chain diagnostics", "arviz-stats"):
        from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage]

    if not 0 <= as_number(discard) < 1:
        raise ValueError(f"discard is the share of frames left out, from 0 to less than 1; received {discard!r:.80}")
    trajectory = numbers(trajectory, "trajectory")
    if trajectory.ndim < 3:
        raise ValueError(f"trajectory must have shape (frames, n, *d); received {tuple(trajectory.shape)}")
    kept = trajectory[int(discard * len(trajectory)) :]
    if len(kept) < 8:
        raise ValueError(f"diagnostics need at least eight frames after the burn-in; received {len(kept)}")
    # (frames, n, D) → (n chains, frames, D)
    chains = np.ascontiguousarray(kept.flatten(2).transpose(0, 1).double().cpu().numpy())
    ess = array_stats.ess(chains, chain_axis=0, draw_axis=1)
    rhat = array_stats.rhat(chains, chain_axis=0, draw_axis=1)
    return ChainDiagnostics(chains.shape[0], chains.shape[1], np.atleast_1d(ess).tolist(), np.atleast_1d(rhat).tolist())
