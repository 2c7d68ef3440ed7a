r"""From a network's raw output to a score model: what the network is asked to predict, and at which scale.

With ρ = σ/α, the noise-to-signal ratio, and F the network:

    Denoiser    D = c_skip x/α + c_out F(c_in x/α, ¼ ln ρ)           (Karras et al. 2022, Eq. 7 and Table 1)
    NoiseNet    ẑ = F(c_in x, c_noise)                                  (Ho et al. 2020)
    ScoreNet    s = F(c_in x, c_noise) / σ, or F itself                 (Song & Ermon 2020, Technique 3)
    VelocityNet v = F(c_in x, c_noise),   v = α z − σ x_0               (Salimans & Ho 2022, section 4)
    DataNet     D = F(c_in x, c_noise)
    FlowNet     u = F(c_in x, c_noise),   u = dx_t/dt                   (Lipman et al. 2023)
    LadderNet   s = F(x, i),              i the nearest of L levels  (Song & Ermon 2019)

The contract of a network is F(x, noise) or F(x, noise, labels): x of shape (b, *d) in the dtype of its own parameters, ``noise`` the
condition of each row, float32 of shape (b,) (float64 in a network of float64; for a ladder the level's index, an integer), and an output
of the shape of x. One that takes
labels has an attribute ``classes``, how many there are; labels absent, and the label ``classes`` in any row, mean 'no label'. `condition`
gives the model of p(x | label) that shares its parameters.
"""

import inspect
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scorefield._checks import number, one_of, positive, reals, require
from scorefield._tensors import like, there
from scorefield.errors import ConfigError
from scorefield.models import Scored, ScoreModel, State, Time, network_inputs, same_shape
from scorefield.processes import VE, Process
from scorefield.units import Moments

__all__ = [
    "DataNet",
    "Denoiser",
    "FlowNet",
    "LadderNet",
    "Networked",
    "NoiseNet",
    "ScoreNet",
    "VelocityNet",
    "denoised_by_flow",
]


class Networked(ScoreModel):
    """A formula around a network, which may be conditioned on the class of each row.

    Attributes:
        net: the network.
    """

    net: nn.Module

    def __init__(self, net: nn.Module, process: Process) -> None:
        super().__init__()
        require(nn.Module, net, "the network", "UNet(...) or MLP(...)")
        require(Process, process, "the process", "VP() or EDM()")
        self.net = net
        self.process = process
        self.classes = getattr(unwrapped(net), "classes", None)
        _check_signature(net, () if self.classes is None else ("labels",))

    def output(self, x: State, noise: Tensor) -> State:
        """Return F(x, noise), or F(x, noise, labels), in the dtype of x.

        Raises:
            ConfigError: the network returns another shape than it was given.
        """
        return same_shape(self.net(*network_inputs(self, x, noise)), x, self.net).to(x.dtype)


def unwrapped(net: nn.Module) -> nn.Module:
    """Return the network inside the wrappers of `torch.compile` and of PyTorch's parallel training, which share its weights."""
    while isinstance(net, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(net, "_orig_mod"):
        inner = net._orig_mod if hasattr(net, "_orig_mod") else net.module
        assert isinstance(inner, nn.Module)  # noqa: S101 for the type checker
        net = inner
    return net


def _check_signature(net: nn.Module, labels: tuple[str, ...]) -> None:
    """Refuse a network that cannot be called as the contract says, before anything is trained."""
    try:
        found = inspect.signature(net.forward)
    except (TypeError, ValueError):  # of some compiled modules nothing is known
        return
    for arguments in {("x", "noise"), ("x", "noise", *labels)}:
        try:
            found.bind(*arguments)
        except TypeError:
            raise ConfigError(
                f"a network is called as net({', '.join(arguments)}), noise of shape (b,); {type(net).__name__}.forward takes {found}: "
                "give it these arguments, or wrap it in a module that does"
            ) from None


class Denoiser(Networked):
    """The EDM parameterisation: unit-variance network inputs and targets at every noise level.

        c_skip = σ_d²/(ρ² + σ_d²)   c_out = ρσ_d/√(ρ² + σ_d²)   c_in = 1/√(ρ² + σ_d²)   c_noise = ¼ ln ρ

    applied to x/α − m, with σ_d and m the standard deviation and the mean of the data.

    Args:
        net: (x, c_noise) ↦ a tensor shaped like x.
        process: the forward process; any, since a state divided by α has noise ρ.
        sigma_data: standard deviation of the data over all examples and coordinates.
        mean_data: mean of the data over all examples and coordinates.
        start: where sampling starts: with the "moments" of p_t that follow from mean and deviation of the data (a run measures those of
            each coordinate, attribute ``moments``), or from "noise" alone, N(0, σ²), as runs of older releases do.
    """

    def __init__(
        self,
        net: nn.Module,
        process: Process,
        sigma_data: float,
        mean_data: float = 0.0,
        start: Literal["moments", "noise"] = "moments",
    ) -> None:
        super().__init__(net, process)
        one_of(("moments", "noise"), start, "start")
        sigma_data, mean_data = number(sigma_data, "sigma_data"), number(mean_data, "mean_data")
        positive(sigma_data=sigma_data)
        self.sigma_data = sigma_data
        self.mean_data = mean_data
        self.start = start
        self.moments = self.overall

    @property
    def overall(self) -> Moments | None:
        """The moments m and σ_d of the data over all coordinates; None where sampling starts from noise alone."""
        if self.start == "noise":
            return None
        return Moments(*(torch.tensor(value, dtype=torch.float64) for value in (self.mean_data, self.sigma_data)))

    def denoise(self, x: State, t: Time) -> State:
        """Return D(x, t)."""
        t = self.process.at(t)
        alpha, _ = self.process.alpha_sigma(t)
        ratio = self.process.ratio(t)
        norm = torch.sqrt(ratio**2 + self.sigma_data**2)
        c_skip = like((self.sigma_data / norm) ** 2, x)
        c_out = like(ratio * self.sigma_data / norm, x)
        c_in = like(1 / norm, x)
        y = x / like(alpha, x) - self.mean_data
        return self.mean_data + c_skip * y + c_out * self.output(c_in * y, torch.log(ratio) / 4)


Condition = Literal["log_ratio", "log_sigma", "log_half_sigma", "sigma", "time", "log_time", "time_left"]
_CONDITIONS: dict[Condition, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "log_ratio": lambda t, alpha, sigma: torch.log(sigma / alpha) / 4,
    "log_sigma": lambda t, alpha, sigma: torch.log(sigma),
    "log_half_sigma": lambda t, alpha, sigma: torch.log(sigma / 2),
    "sigma": lambda t, alpha, sigma: sigma,
    "time": lambda t, alpha, sigma: 999 * t,
    "log_time": lambda t, alpha, sigma: torch.log(999 * t),
    "time_left": lambda t, alpha, sigma: 999 * (1 - t),
}


class _Scaled(Networked):
    """What `NoiseNet` and `ScoreNet` share: how state and noise are given to the network.

    Args:
        net: (c_in x, c_noise) ↦ a tensor shaped like x.
        process: the forward process.
        c_in: 1/√(α² + σ²), by which data of unit variance has unit variance at every level ("unit"), or 1 ("raw").
        c_noise: ¼ ln ρ ("log_ratio", Karras et al. 2022), ln σ ("log_sigma", Song et al. 2021 on VE), ln(σ/2)
            ("log_half_sigma", as Karras et al. 2022 have it), σ ("sigma"), 999 t ("time", Song et al. 2021 on VP and sub-VP),
            ln(999 t) ("log_time") or 999 (1 − t) ("time_left", which counts levels from the noisiest).
    """

    def __init__(
        self,
        net: nn.Module,
        process: Process,
        c_in: Literal["unit", "raw"] = "unit",
        c_noise: Condition = "log_ratio",
    ) -> None:
        super().__init__(net, process)
        one_of(("unit", "raw"), c_in, "c_in")
        one_of(_CONDITIONS, c_noise, "c_noise")
        self.c_in: Literal["unit", "raw"] = c_in
        self.c_noise: Condition = c_noise

    def scaled_output(self, x: State, t: Time) -> State:
        """Return F(c_in x, c_noise)."""
        t = self.process.at(t)
        alpha, sigma = self.process.alpha_sigma(t)
        if self.c_in == "unit":
            x = x / like(torch.sqrt(alpha**2 + sigma**2), x)
        return self.output(x, _CONDITIONS[self.c_noise](t, alpha, sigma))


class NoiseNet(_Scaled, Scored):
    """The network predicts the noise in x_t: ẑ = F(c_in x, c_noise)."""

    def score(self, x: State, t: Time) -> State:
        """Return s = −ẑ/σ."""
        _, sigma = self.scales(x, t)
        return -self.scaled_output(x, t) / sigma


class ScoreNet(_Scaled, Scored):
    """The network predicts σ times the score, which has about the same size at every level (NCSNv2): σ s = F(c_in x, c_noise).

    Args:
        net: (c_in x, c_noise) ↦ a tensor shaped like x.
        process: the forward process.
        c_in: see `NoiseNet`.
        c_noise: see `NoiseNet`.
        c_out: "unit" where the network's output is divided by σ, "raw" where it is the score itself.
    """

    def __init__(
        self,
        net: nn.Module,
        process: Process,
        c_in: Literal["unit", "raw"] = "unit",
        c_noise: Condition = "log_ratio",
        c_out: Literal["unit", "raw"] = "unit",
    ) -> None:
        super().__init__(net, process, c_in, c_noise)
        one_of(("unit", "raw"), c_out, "c_out")
        self.c_out: Literal["unit", "raw"] = c_out

    def score(self, x: State, t: Time) -> State:
        """Return s = F/σ, or F."""
        out = self.scaled_output(x, t)
        return out if self.c_out == "raw" else out / self.scales(x, t)[1]


class VelocityNet(_Scaled):
    """The network predicts v = α z − σ x_0 of a process with α² + σ² = 1 (Salimans & Ho 2022), where x_0 = α x_t − σ v."""

    def denoise(self, x: State, t: Time) -> State:
        """Return α x − σ v."""
        alpha, sigma = self.scales(x, t)
        return alpha * x - sigma * self.scaled_output(x, t)


class DataNet(_Scaled):
    """The network predicts the data: D = F(c_in x, c_noise)."""

    def denoise(self, x: State, t: Time) -> State:
        """Return the network's output."""
        return self.scaled_output(x, t)


class FlowNet(_Scaled):
    """The network predicts the velocity of the probability flow, u = dx_t/dt: flow matching. On `RectifiedFlow` it is z − x_0."""

    def denoise(self, x: State, t: Time) -> State:
        """Return D of x and u."""
        return denoised_by_flow(self.process, x, t, self.scaled_output(x, t))


def denoised_by_flow(process: Process, x: State, t: Time, u: State) -> State:
    r"""Return D = x_0 of x = α x_0 + σ z and u = dx/dt = α̇ x_0 + σ̇ z, where α̇ = f α and σ̇ = g²/2σ + f σ."""
    t = process.at(t)
    alpha, sigma = process.alpha_sigma(t)
    f, g = process.drift_diffusion(t)
    rate = g**2 / (2 * sigma)
    return like((rate + f * sigma) / (alpha * rate), x) * x - like(sigma / (alpha * rate), x) * u


class LadderNet(Networked, Scored):
    """NCSN's model: one network for L noise levels, which is given the index of the level.

    On a level the network's output is the score itself: `scorefield.networks.CondRefineNet` learns its scale,
    `scorefield.networks.NCSNv2Net` divides by σ_i. Between levels the noise estimate of the nearest level is used, since it varies slowly
    with σ while the score grows as 1/σ:  s(x, σ) = (σ_i/σ) F(x, i).

    Args:
        net: (x, index of the level, shape (b,)) ↦ s(x, σ_i).
        levels: the descending noise levels σ_1 > … > σ_L (`scorefield.geometric`); one level is the model of ablations.
    """

    levels: Float[Tensor, " L"]

    def __init__(self, net: nn.Module, levels: Float[Tensor, " L"]) -> None:
        levels = reals(levels, "levels")
        if levels.ndim != 1 or len(levels) < 1 or (levels <= 0).any() or (levels.diff() >= 0).any():
            raise ValueError(f"levels must be descending positive numbers; received {levels.tolist()}")
        low, high = levels[-1].item(), levels[0].item()
        # A process has two ends; above a single level there is only room.
        super().__init__(net, VE(sigma_min=low, sigma_max=high if len(levels) > 1 else 2 * low))
        self.levels = levels.double()  # no buffer: half() would round it

    def score(self, x: State, t: Time) -> State:
        """Return (σ_i/σ) F(x, i): on a level the network's own output."""
        _, sigma = self.process.alpha_sigma(self.process.at(t))
        levels = there(self.levels, sigma, self.levels.dtype)
        index = (torch.log(sigma)[..., None] - torch.log(levels)).abs().argmin(dim=-1)
        return like(levels[index] / sigma, x) * self.output(x, index)
