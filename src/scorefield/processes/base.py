r"""Forward noising: x_t = α(t) x_0 + σ(t) z, z ~ N(0, I).

Every process here is the solution of a linear SDE, dx = f(t) x dt + g(t) dw, whose coefficients follow from its scales:

    f(t)  = d log α / dt
    g²(t) = dσ²/dt − 2 f σ²  =  2 σ² · d log(σ/α) / dt

(Song et al. 2021, Eq. 29 and appendix B; Karras et al. 2022, Eq. 4 with s = α). So a process states α and σ, and the inverse of its
noise-to-signal ratio where that has a formula; drift, diffusion and prior are derived here, once. Times and scales are float64 throughout.
"""

import abc
from contextlib import nullcontext
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from scorefield._checks import as_number
from scorefield._tensors import as_time, like
from scorefield._values import ByValue
from scorefield.errors import ConfigError

Time = Float[Tensor, "*b"]
State = Float[Tensor, "b *d"]

_HALVINGS = 100  # of a process's time: to the last digit of a t of 1e-14 of it


class Process(ByValue, abc.ABC):
    """A forward process: the distribution of x_t given x_0 is N(α_t x_0, σ_t² I).

    Times lie in [t_min, t_max]; data is at the small end. ``t`` has shape () or (b,), and so has everything returned. A number that is no
    time is refused; tensors are not looked into, on any device: of NaN all is NaN, and of a negative time what the formulas say of it.
    """

    t_min: float
    t_max: float
    stationary_std: ClassVar[float | None] = None

    def at(self, t: Tensor | float) -> Time:
        """Return a time as a tensor; a tensor, as samplers give, is not looked into, which would wait for its device.

        Raises:
            ConfigError: a number that is no time of the process, from 0, or ``t_min``, to ``t_max`` and a hundredth beyond.
        """
        time, low = as_time(t), min(0.0, self.t_min)
        if not isinstance(t, Tensor) and not ((time >= low) & (time - self.t_max <= 0.01 * (self.t_max - low))).all():
            raise ConfigError(
                f"a time of {type(self).__name__} must lie between {low:g} and {self.t_max:g}; received {t!r:.80}: "
                "process.time(sigma) gives that of a noise level"
            )
        return time

    @abc.abstractmethod
    def alpha_sigma(self, t: Time | float) -> tuple[Time, Time]:
        """Return (α_t, σ_t); those of this package take numbers, too, by `at`."""

    def time(self, ratio: Time | float) -> Time:
        """Return the t at which σ_t / α_t = ``ratio``: the `inverse` of `ratio`, by bisection where a process does not state it.

        For ratios beyond the process's ends bisection returns the nearer end.

        Cost: of bisection, 100 evaluations of α and σ.

        Raises:
            ConfigError: a number that is no noise level.
        """
        if not isinstance(ratio, Tensor) and not as_number(ratio) > 0:
            raise ConfigError(f"a noise level σ/α must be a positive number; received {ratio!r:.80}")
        ratio = as_time(ratio)
        stated = self.inverse(ratio)
        return self._bisected(ratio) if stated is None else stated

    def inverse(self, ratio: Time) -> Time | None:
        """Return the t at which σ_t / α_t = ``ratio`` where there is a formula for it; None where there is none."""

    def _bisected(self, ratio: Time) -> Time:
        """Return that t by bisection."""
        wanted = ratio.double()
        low, high = torch.full_like(wanted, self.t_min), torch.full_like(wanted, self.t_max)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            below = self.ratio(middle) < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return high.to(ratio)

    def ratio(self, t: Time | float) -> Time:
        """Return the noise-to-signal ratio σ_t / α_t, increasing in t; the σ of Karras et al. (2022)."""
        alpha, sigma = self.alpha_sigma(self.at(t))
        return sigma / alpha

    def drift_diffusion(self, t: Time | float) -> tuple[Time, Time]:
        """Return (f, g) of dx = f x dt + g dw; at t = 0 their limits, where a process has no noise there."""

        def logs(t: Tensor) -> tuple[Tensor, Tensor]:
            alpha, sigma = self.alpha_sigma(t)
            return torch.log(alpha), torch.log(sigma / alpha)

        t = self.at(t)
        # ln σ has no derivative where there is no noise; so near to 0, f and g are their limits to the last digit. And forward mode
        # refuses a t whose elements share memory, such as t.expand(b).
        # In inference mode PyTorch 2.11 takes derivatives for 0, without a word: so it is left.
        with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext():
            t = torch.where(t == 0, torch.finfo(t.dtype).tiny ** 0.5, t).contiguous()
            f, log_ratio_rate = torch.func.jvp(logs, (t,), (torch.ones_like(t),))[1]
        _, sigma = self.alpha_sigma(t)
        return f, sigma * torch.sqrt(2 * log_ratio_rate)

    def perturb(self, x0: State, t: Time, z: State) -> State:
        """Return x_t = α_t x_0 + σ_t z, one time for all rows or one per row."""
        alpha, sigma = self.alpha_sigma(self.at(t))
        return like(alpha, x0) * x0 + like(sigma, x0) * z

    def prior_std(self, t: Time | float) -> Time:
        """Return the standard deviation of the Gaussian that stands for p_t when nothing is known of the data.

        σ_t, or the stationary standard deviation where the process has one.
        """
        if self.stationary_std is None:
            return self.alpha_sigma(self.at(t))[1]
        return torch.full_like(self.at(t), self.stationary_std)
