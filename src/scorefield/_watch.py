"""States that are not finite, found without waiting for a GPU after every step."""

import torch
from torch import Tensor

from scorefield._tensors import flatten
from scorefield.errors import DivergedError
from scorefield.grids import Step


class Watch:
    """Finds the first state that is not finite among those seen since the last look; every so many it looks by itself."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._seen: list[tuple[str, Step, Tensor]] = []

    def see(self, x: Tensor, where: str, step: Step) -> None:
        """Take notice of a state."""
        # A sum shows both NaN and infinity, in a tenth of the time; it may also overflow.
        if self._every == 1 and torch.isfinite(x.sum()):
            return
        self._seen.append((where, step, torch.isfinite(flatten(x)).all(dim=1)))
        if len(self._seen) >= self._every:
            self.look()

    def look(self) -> None:
        """Raise, of the first step and sample, if any held NaN or infinity in a state that was seen."""
        seen, self._seen = self._seen, []
        if not seen or torch.stack([finite for _, _, finite in seen]).all():
            return
        where, step, finite = next(one for one in seen if not one[2].all())
        bad = (~finite).nonzero().flatten().tolist()
        raise DivergedError(
            f"sampling diverged at {where} (t = {step.s.item():.4g}, noise level {step.sigma_s:.4g}): {len(bad)} of {len(finite)} samples "
            f"are not finite, the first is number {bad[0]}. Use smaller steps (a finer grid, a smaller step_size or snr), or check the "
            "model."
        )
