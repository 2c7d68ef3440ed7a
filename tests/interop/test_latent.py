"""Latent pipelines of diffusers: the same noise gives the images that diffusers decodes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from scorefield import Euler, load_model, sample
from scorefield.cli import main
from scorefield.errors import CheckpointError, ConfigError
from scorefield.interop import from_diffusers

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'scorefield[interop]'")
pytestmark = pytest.mark.usefixtures("seeded")
SMALL: dict[str, Any] = {"block_out_channels": (16, 16), "norm_num_groups": 8, "layers_per_block": 1}
CODER = {
    **{"latent_channels": 3, "in_channels": 3, "out_channels": 3, "scaling_factor": 0.4},
    **{"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2},
}


def saved(folder: Path, kind: str) -> tuple[Any, Any]:
    """Build a pipeline at random and save it; return it and the name of its autoencoder."""
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    net = diffusers.UNet2DModel(sample_size=8, in_channels=3, out_channels=3, **SMALL, **blocks).eval()
    more = {"num_vq_embeddings": 16} if kind == "VQModel" else {"shift_factor": 0.3}
    coder = getattr(diffusers, kind)(**CODER, **{**SMALL, **more}).eval()
    scheduler = diffusers.DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
    if kind == "VQModel":
        diffusers.LDMPipeline(coder, net, scheduler).save_pretrained(folder)
    else:
        for part, it in (("vae", coder), ("unet", net), ("scheduler", scheduler)):
            it.save_pretrained(folder / part)
    return diffusers.LDMPipeline(coder, net, scheduler), coder


@pytest.mark.parametrize("kind", [pytest.param("VQModel", marks=pytest.mark.slow), "AutoencoderKL"])
def test_draws_are_those_of_diffusers(kind: str, tmp_path: Path) -> None:
    pipe, coder = saved(tmp_path, kind)
    pipe.set_progress_bar_config(disable=True)
    found = load_model(f"diffusers:{tmp_path}")
    assert found.decoder is not None
    start = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    pipe.scheduler.set_timesteps(5)
    times = pipe.scheduler.timesteps.double() / 999
    latents = sample(found.model, Euler(), init=start, grid=times).x
    assert torch.equal(latents, sample(from_diffusers(pipe), Euler(), init=start, grid=times).x)
    if kind == "VQModel":
        theirs = pipe(2, torch.Generator().manual_seed(5), num_inference_steps=5, output_type="np").images
        theirs = torch.from_numpy(theirs).movedim(-1, 1)
    else:  # no pipeline of diffusers has this autoencoder and no text
        z = start
        with torch.no_grad():
            for t in pipe.scheduler.timesteps:
                z = pipe.scheduler.step(pipe.unet(z, t).sample, t, z).prev_sample
            theirs = (coder.decode(z / 0.4 + 0.3).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(found.decoder(latents).clamp(0, 1), theirs, rtol=0, atol=1e-4)
    drawn = found.sample(seeds=[3, 4], steps=3, frames=2, batch_size=1)
    assert drawn.trajectory is not None
    assert drawn.x.shape == (2, *found.drawn) == (2, 3, 16, 16)
    assert torch.equal(drawn.trajectory[-1], drawn.x)
    assert found.log_likelihood(latents[:1], rtol=1e-2, atol=1e-2).log_prob.isfinite().all()


def test_the_command_line_draws_images_and_does_not_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "pipe", "VQModel")
    out = tmp_path / "two.png"
    assert (
        main(["sample", f"diffusers:{tmp_path}/pipe", "-n", "2", "--steps", "2", "--device", "cpu", "--out", str(out)])
        == 0
    )
    assert out.is_file()
    assert main(["convert", str(tmp_path / "pipe"), "--from", "diffusers", "--out", str(tmp_path / "run")]) != 0
    assert "latent pipeline" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"_class_name": "AutoencoderDC"}, ConfigError, "found AutoencoderDC"),
        ({"latent_channels": 4}, CheckpointError, "do not make a VQModel"),
        ({"scaling_factor": "1"}, CheckpointError, "do not make a VQModel of latents of 3 channels"),
    ],
)
def test_what_is_wrong_with_an_autoencoder_is_said(change: Any, error: Any, said: str, tmp_path: Path) -> None:
    saved(tmp_path, "VQModel")
    path = tmp_path / "vqvae" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"of_tomorrow": 3}))
    assert load_model(f"diffusers:{tmp_path}").decoder is not None
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(error, match=said):
        load_model(f"diffusers:{tmp_path}")
