r"""A score that is a gradient by construction: the model is an energy, and its score is −∇E.

    E(x, t) = ½ ‖x‖²/(α² + σ²) + (c/σ) ⟨x̃, F(x̃, ¼ ln ρ)⟩,      x̃ = x/c,  c = √(α² + σ²),  ρ = σ/α
    p_t(x) ∝ exp(−E(x, t)),      s = −∇ₓE

The first term is the noised distribution of data of unit variance. The factor c/σ gives the second a gradient of size 1/σ, the size of a
score, when F's is of order one. Any network whose output is shaped like its input serves (Du & Mordatch 2019; Salimans & Ho 2021 compare
the choices).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scorefield._checks import require
from scorefield._tensors import gradient, like, sum_event
from scorefield.models import Scored, State, Time, network_inputs, same_shape
from scorefield.processes import Process

__all__ = ["Energy"]


class Energy(Scored):
    """A network that models log p_t up to a constant, so that densities can be compared and `MALA` can accept or reject.

    Args:
        net: (x̃, ¼ ln ρ) ↦ a tensor shaped like x̃.
        process: the forward process.

    Cost: a forward and a backward pass per view; training differentiates twice.
    """

    def __init__(self, net: nn.Module, process: Process) -> None:
        super().__init__()
        require(nn.Module, net, "the network", "UNet(...) or MLP(...)")
        require(Process, process, "the process", "VP() or EDM()")
        self.net = net
        self.process = process

    def energy(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return E(x, t): −log p_t(x) up to a number that depends on t alone."""
        alpha, sigma = self.process.alpha_sigma(self.process.at(t))
        scale = torch.sqrt(alpha**2 + sigma**2)
        y = x / like(scale, x)
        output = self.net(*network_inputs(self, y, torch.log(sigma / alpha) / 4)).to(y)
        value = sum_event(y * same_shape(output, y, self.net))
        return 0.5 * sum_event(y**2) + (scale / sigma).to(value) * value

    def score(self, x: State, t: Time) -> State:
        """Return −∇ₓE, differentiable in its turn where gradients are recorded."""
        return gradient(lambda x: self.log_prob(x, t), x, create_graph=torch.is_grad_enabled())

    def log_prob(self, x: State, t: Time) -> Float[Tensor, " b"]:
        """Return −E(x, t): log p_t(x) up to a number that depends on t alone."""
        return -self.energy(x, t)
