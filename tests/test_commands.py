"""Every command of the README and of the docs runs, page by page, made small: few steps, few samples, tiny training."""

import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from foreign_checkpoints import checkpoint, configuration, contents, network, write
from foreign_checkpoints import pictures as colours
from foreign_checkpoints import small as a_small
from scorefield.cli import main
from test_notebooks import CONSOLE, DOCS, PAGES, README, python_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("seeded", "kinds_of_this_test")]

DRAW = "--steps 2"
SMALL = {  # what is appended to a command: of two equal options the last counts
    "train": "--fast-dev-run --device cpu",
    "toy": "--fast-dev-run",
    "quickstart": "--steps 2",
    "sample": f"{DRAW} -n 2",
    "evaluate": f"{DRAW} -n 20",
    "inpaint": f"{DRAW} -n 2",
    "solve": f"{DRAW} -n 2",
    "likelihood": "-n 2",
    "compress": "--steps 2 -n 2",
    "race": "-n 2",
    "tune": "-n 100",
}
RIVALS = {"--seeds", "--image", "--from-samples", "--decode"}  # beside which there is no -n
ELSEWHERE = {  # and why
    "make": "a whole environment: the first thing that CI does",
    "jupytext": "the notebooks run as scripts in test_notebooks.py",
    "scorefield demo": "it serves until Ctrl-C; tests/app asks and clicks",
    "docker": "a container; tests/app/test_demo_container.py builds and starts what is in it",
    "hf upload": "it needs an account",
    "pip install": "the environment is there",
    "scorefield convert edm-": "pickles of EDM's: tests/cli/test_convert_published.py reads such",
    "scorefield sample runs/edm": "likewise",
    "scorefield reproduce --all": "hours; every claim is measured in small in tests/claims",
    "scorefield reproduce langevin-weights": "minutes; every claim is measured in small in tests/claims",
}


def commands_of(page: Path) -> list[str]:
    """Return the lines of a page's console blocks."""
    lines = [line.strip() for block in CONSOLE.findall(page.read_text()) for line in block.splitlines()]
    return [line for line in lines if line]


def small(line: str) -> list[str]:
    """Return the arguments of a command, made small; of many processes, those of one."""
    line = re.sub(r"(evaluate|tune) runs/mine --judge", r"\1 runs/labelled --judge", line)  # my-images/ have no labels
    line = line.replace("vp/cifar10_ddpmpp_continuous", "ddpmpp.py")  # whose network is the same but small
    words = shlex.split(line, comments=True)
    words = words[words.index("scorefield") + 1 :]
    more = SMALL.get(words[0], "")
    if RIVALS & set(words) and words[0] != "inpaint":
        more = re.sub(r" ?-n \d+", "", more)
    more = more.replace(DRAW, "") if {"mnist-fast", "--evaluations"} & set(words) else more  # which decide the steps
    more += " --particles 2" if "particles" in words else ""
    if words[0] == "train" and not {"--run", "--run-dir"} & set(words):
        more += f" --run runs/{named(words)}"  # where it would be without --fast-dev-run
    return [*words, *more.split()]


def named(words: list[str]) -> str:
    """Return the name of the run that a training makes."""
    if "--name" in words:
        return words[words.index("--name") + 1]
    config = words[words.index("--config") + 1]
    path = Path(config) if Path(config).is_file() else Path("configs", f"{config}.yaml")
    return yaml.safe_load(path.read_text())["name"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Path:
    """A folder with what readers of the pages have: runs, pictures, arrays, checkpoints of others, classes of their own."""
    here = tmp_path_factory.mktemp("desk")
    for name in ("configs", "results/reproduce"):
        shutil.copytree(DOCS.parent / name, here / name)
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    (here / "my-images").mkdir()
    for k, picture in enumerate(pictures):
        Image.fromarray(picture).save(here / "my-images" / f"{k}.png")
    Image.fromarray(pictures[0]).save(here / "my.png")
    Image.fromarray(np.tri(28, dtype=np.uint8) * 255).save(here / "my-mask.png")
    np.save(here / "my-images.npy", pictures)
    np.save(here / "table.npy", random.normal(size=(60, 5)))
    np.savetxt(here / "table.csv", random.normal(size=(60, 2)), delimiter=",", header="height,weight", comments="")
    (here / "gaps.csv").write_text("name,height,weight\nann,0.5,\nbob,,-1\n")
    for name, layout, kind in (("checkpoint", "ncsn", "cond_refinenet"), ("best_checkpoint", "ncsnv2", "ncsnv2")):
        write(here / f"{name}.pth", contents(layout, network(kind)))
    meta, weights = a_small("small ddpm++ of vp")
    write(configuration(here / "ddpmpp.py", meta).with_name("checkpoint_8.pth"), checkpoint(weights))
    colours(here / "cifar10-images", 8)
    if find_spec("diffusers"):
        from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

        blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
        net = UNet2DModel(8, 1, 1, block_out_channels=(32, 64), layers_per_block=1, **blocks)
        DDPMPipeline(net, DDPMScheduler()).save_pretrained(here / "their-folder")
    (here / "levels.yaml").write_text("comment: the levels are in the file\n")
    for plugin, page in (("mine", "extend"), ("networks", "your_network")):
        (here / f"{plugin}.py").write_text("\n".join(python_of(DOCS / "howto" / f"{page}.md")))
    for run, config in (("mine", "mnist-small"), ("my-classifier", "mnist-classifier")):
        made = ["train", "--config", str(here / "configs" / f"{config}.yaml"), "--data-dir", str(mnist_dir)]
        assert main([*made, "--run", str(here / "runs" / run), *SMALL["train"].split()]) == 0
    shutil.copytree(here / "runs" / "mine", here / "runs" / "labelled")
    return here


def forget(words: list[str]) -> None:
    """Take away the run that a training makes anew."""
    if words[0] == "train" and not {"--resume", "--dry-run"} & set(words):
        option = "--run" if "--run" in words else "--run-dir"
        shutil.rmtree(words[words.index(option) + 1], ignore_errors=True)


@pytest.mark.promise("G6")
@pytest.mark.parametrize("page", [page for page in [README, *PAGES] if commands_of(page)], ids=lambda path: path.stem)
def test_commands_on_a_page_run(
    page: Path, desk: Path, tmp_path: Path, mnist_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any("diffusers" in line for line in commands_of(page)):
        pytest.importorskip("diffusers")
    shutil.copytree(desk, tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.setenv("SCOREFIELD_DATA", str(mnist_dir))
    for line in commands_of(page):
        if not line.startswith(tuple(ELSEWHERE)):
            forget(words := small(line))
            assert main(words) == 0, line


def test_what_runs_elsewhere_is_on_a_page() -> None:
    lines = [line for page in [README, *PAGES] for line in commands_of(page)]
    assert [start for start in ELSEWHERE if not any(line.startswith(start) for line in lines)] == []
