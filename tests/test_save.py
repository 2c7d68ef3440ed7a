"""Models trained in Python are saved in a line, and come back as they were, for Python and for the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import scorefield as sf
from scorefield.cli import main
from scorefield.networks import ADM, CondRefineNet, NCSNpp, NoisyClassifier
from scorefield.preconditioning import FlowNet, VelocityNet
from scorefield.units import Moments

LEVELS = sf.geometric(5.0, 0.1, 4)
MAKERS = {
    "denoiser": lambda: sf.Denoiser(sf.MLP(2, width=16), sf.VE(0.02, 30.0), 1.3, 0.2),
    "noise": lambda: sf.NoiseNet(sf.UNet(1, 8, width=16), sf.VP(t_min=1e-4)),
    "score": lambda: sf.ScoreNet(sf.MLP(3, width=16, depth=2), sf.SubVP()),
    "ladder": lambda: sf.LadderNet(sf.UNet(1, 8, width=16, levels=4), LEVELS),
    "energy": lambda: sf.Energy(sf.MLP(2, width=16), sf.EDM()),
    "classes": lambda: sf.Denoiser(sf.UNet(1, 8, width=16, classes=3), sf.EDM(), 0.5),
    "velocity": lambda: VelocityNet(ADM(1, 8, width=8, multipliers=(1,), depth=1, attention=()), sf.VP()),
    "flow": lambda: FlowNet(NCSNpp(1, 8, width=8, multipliers=(1,), depth=1, attention=()), sf.RectifiedFlow()),
    "units": lambda: sf.Denoiser(sf.MLP(2, width=16), sf.EDM(), 0.5).in_units(
        sf.Units(torch.tensor([300.0, 0.1]), torch.tensor([10.0, 1e-3]))
    ),
    "start": lambda: starting(sf.Denoiser(sf.MLP(2, width=16), sf.EDM(), 0.5)),
}


def starting(model: sf.ScoreModel) -> sf.ScoreModel:
    """Return the model, of which the moments of each coordinate are known."""
    model.moments = Moments(torch.tensor([0.25, -3.0]).double(), torch.tensor([0.5, 0.0]).double())
    return model


@pytest.fixture(params=MAKERS)
def model(request: pytest.FixtureRequest) -> sf.ScoreModel:
    torch.manual_seed(3)
    made = MAKERS[request.param]()
    for parameter in made.parameters():  # what is zero when new would hide what is lost
        nn.init.normal_(parameter, std=0.1)
    return made


def test_a_model_comes_back_as_it_was(model: sf.ScoreModel, tmp_path: Path) -> None:
    sf.save(model, tmp_path / "m", name="mine", comment="of a test")
    loaded = sf.load_model(str(tmp_path / "m"))
    event = loaded.event
    assert type(loaded.model) is type(model)
    assert loaded.model.process == model.process or isinstance(model, sf.LadderNet)
    assert (loaded.config.name, loaded.config.comment) == ("mine", "of a test")
    x = torch.randn(4, *event, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.model.eval().score(x, 0.5), model.eval().score(x, 0.5))
    assert torch.equal(loaded.model.restore(x), model.restore(x))
    assert loaded.model.prior(0.5) == model.prior(0.5)
    assert (tmp_path / "m" / "README.md").exists()


@pytest.mark.parametrize("kind", ["denoiser", "ladder", "units"])
def test_a_model_in_float64_comes_back_so_unless_another_precision_is_asked_for(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = MAKERS[kind]().double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    sf.save(model, tmp_path / "m")
    loaded, lowered = sf.load_model(tmp_path / "m"), sf.load_model(tmp_path / "m", precision="bf16")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float64}
    x = torch.randn(4, *loaded.event, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = model.score(x, 0.5)
    assert torch.equal(loaded.model.score(x, 0.5), exact)
    error = (lowered.model.score(x, 0.5) - exact).norm() / exact.norm()
    assert 1e-5 < error < 0.05  # in bfloat16 indeed


def test_the_command_line_draws_from_it_in_the_datas_units(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MAKERS["units"]()
    sf.fit(model, torch.tensor([[300.0, 0.1]]) + torch.tensor([5.0, 5e-4]) * torch.randn(500, 2), sf.DSM(), steps=3)
    sf.save(model, tmp_path / "m")
    assert main(["sample", str(tmp_path / "m"), "-n", "50", "--device", "cpu", "--out", str(tmp_path / "x.npz")]) == 0
    x = np.load(tmp_path / "x.npz")["x"]
    assert abs(x[:, 0].mean() - 300) < 30
    assert abs(x[:, 1].mean() - 0.1) < 0.01


def test_a_classifier_is_saved_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = sf.Classifier(NoisyClassifier(1, 8, classes=4, width=16), sf.EDM(), 0.5, 0.1).eval()
    sf.save(model, tmp_path / "c")
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(sf.load_classifier(str(tmp_path / "c")).model(x, 0.3), model(x, 0.3))


class Nobodys(nn.Module):
    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return x


def test_what_cannot_be_saved_says_what_to_do(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(sf.ConfigError, match="register"):
        sf.save(sf.NoiseNet(Nobodys(), sf.VP()), tmp_path / "a", event=(2,))
    with pytest.raises(sf.ConfigError, match="no network"):
        sf.save(sf.Exact(sf.Gaussian([0.0]), sf.VP()), tmp_path / "b")
    lost = sf.Denoiser(sf.MLP(dim=2, width=8), sf.VP(), sigma_data=0.5)
    next(lost.parameters()).data.fill_(float("nan"))
    with pytest.raises(sf.ConfigError, match="numbers that are not finite"):
        sf.save(lost, tmp_path / "n")
    assert not (tmp_path / "n").exists()
    ladder = sf.LadderNet(CondRefineNet(1, 4, 4), LEVELS)
    with pytest.raises(sf.ConfigError, match=r"event=\(channels"):
        sf.save(ladder, tmp_path / "c")
    sf.save(ladder, tmp_path / "c", event=(1, 8, 8))
    with pytest.raises(sf.CheckpointError, match="exists already"):
        sf.save(ladder, tmp_path / "c", event=(1, 8, 8))
