"""One image through score_sde's NCSN++ for CIFAR-10, of random weights, on the CPU in float32: the time and memory of an evaluation.

Ours beside plain PyTorch that makes the calls of the authors' code without their CUDA kernels (tests/foreign_networks.py), on which tests
hold the outputs to 1e-5. Memory is that of Python and all libraries, too. Ratios are of time, to plain PyTorch.
"""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import memory
from benchmarks.timing import Note, Row, in_turn, lasting
from scorefield import ScoreModel
from scorefield.config import RunConfig
from scorefield.interop.score_sde import to_score_sde
from scorefield.interop.score_sde_config import PUBLISHED, run_of_score_sde

CONFIG = RunConfig.model_validate(run_of_score_sde(PUBLISHED["ve/cifar10_ncsnpp_continuous"]))
EVENT, SIGMA = (3, 32, 32), 1.0
SIDES = {"scorefield": "ours", "plain PyTorch": "plain"}
PAPERS: dict[str, Any] = {
    **{"name": "ncsnpp", "nf": 128, "ch_mult": (1, 2, 2, 2), "num_res_blocks": 4, "attn_resolutions": (16,)},
    **{"fir": True, "fir_kernel": (1, 3, 3, 1), "skip_rescale": True, "resblock_type": "biggan", "conditional": True},
    **{"progressive": "none", "progressive_input": "residual", "progressive_combine": "sum", "centered": False},
    **{"embedding_type": "fourier", "nonlinearity": "swish", "resamp_with_conv": True},
}


def run(rounds: int = 5) -> list[Row | Note]:
    """Return seconds and peak memory of an evaluation."""
    sides = {name: globals()[side]() for name, side in SIDES.items()}
    rows = lasting(in_turn(sides, rounds, warmup=1), "plain PyTorch", "s", 1)
    peaks = [memory.row(name, f"benchmarks.ncsnpp:{side}") for name, side in SIDES.items()]
    return [*(row._replace(what=f"{row.what}: one evaluation") for row in rows), *peaks]


def ours() -> Callable[[], Tensor]:
    """Return an evaluation of the score."""
    torch.manual_seed(0)
    model, x = CONFIG.build_model(EVENT).eval(), torch.rand(1, *EVENT)
    assert isinstance(model, ScoreModel)  # noqa: S101 for the type checker
    t = model.process.time(torch.tensor(SIGMA, dtype=torch.float64))
    return torch.no_grad()(lambda: model.score(x, t))


def plain() -> Callable[[], Tensor]:
    """Return the same of the authors' formulas."""
    with torch.device("meta"):  # so that the weights are held once
        net = CONFIG.network.build(channels=EVENT[0], size=EVENT[1])
    shapes = to_score_sde(net, net.state_dict())
    state = {name: torch.randn(like.shape) / max(1, like[0].numel()) ** 0.5 for name, like in shapes.items()}
    song = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "foreign_networks.py"))["Song"](state, PAPERS)
    x, sigma = torch.rand(1, *EVENT), torch.tensor([SIGMA])
    return torch.no_grad()(lambda: song(x, sigma) / sigma)
