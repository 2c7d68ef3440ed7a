"""``python -m benchmarks.elsewhere RUN``: how well the recipe of MNIST carries over to other images, and which way of drawing suits them.

Draws from a run in each of `WAYS` and measures by two judges of different make: a run of the recipe mnist-judge on the same data, and a
plain network of PyTorch that is trained here. Beside them is what can be measured without a judge: the energy distance of pixels from test
images, and how well small networks tell them apart. Every way is an entry of results/elsewhere.json; those of one run, n and seed share
noise and test images. The runs there are of

    scorefield train --config mnist-small --data.kind fashion_mnist

and of the same on MNIST, each with the drawing that the recipe had before this study:

    --sampling '{sampler: {kind: heun, churn: 10, churn_min: 0.05, churn_max: 10}, grid: {kind: karras, steps: 15}}' --guide.weight 1.4

Those of 1200 steps had --train.steps 2000 --guide.step 100, one of them --objective.times.mean 0, were stopped at step 405 and resumed with
--override --train.steps 1200. The judge of clothes is of

    scorefield train --config mnist-judge --data.kind fashion_mnist --network.width 64 --train.steps 1000

Colour images are those of benchmarks/pictures.py, with --data.path shapes-train.npz --data.test shapes-test.npz; their judge has
--network.classes 4. So are textures.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scorefield import DPMpp2M, Grid, Heun, load_model
from scorefield.data import Dataset
from scorefield.evaluation.data import RealData, real_data
from scorefield.loaded import LoadedModel
from scorefield.metrics import Estimate, classifier_two_sample, energy_distance, frechet_distance
from scorefield.pretrained import load_judge
from scorefield.sampling import Samples
from scorefield.training import environment

RESULTS = Path(__file__).parents[1] / "results" / "elsewhere.json"
CONFIGURED = "as configured"
RECIPE = "fitted grid, half the guide"
"""How mnist-small draws since: what "as configured" is in later runs, those of colour images, and stored as."""
WAYS: dict[str, tuple[float | None, float]] = {
    CONFIGURED: (None, 1.0),  # whatever the run says
    "churn 0": (0.0, 1.0),
    "fitted grid": (None, 1.0),
    RECIPE: (None, 0.5),
    "fitted grid, no guide": (None, 0.0),
}
"""Churn of Heun's method (None: DPMpp2M along a grid fitted to the model), and how many times the run's own weight of the guide."""
ENDINGS = ("draw", "mode")  # of bytes: drawn from their probabilities, or the most probable
TRANSITIONS = 10
"""Eleven evaluations with the closing denoising, and those of the guide; the decoder of bytes has one more."""


class Plain(nn.Module):
    """A classifier of images that shares nothing with those of the package."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((channels, 24), (24, 48), (48, 96)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.seen = nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 9, 64), nn.ReLU())
        self.read = nn.Linear(64, classes)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Return what the class is read from."""
        return torch.cat([self.seen(part) for part in x.clamp(0, 1).split(500)])

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """Return the probability of each class."""
        return self.read(self.features(x)).softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the classes."""
        return self.read(self.seen(x))


def untrained(data: Dataset) -> Plain:
    """Return such a classifier for the data, as it begins."""
    assert data.labels is not None  # noqa: S101 all data sets measured here have classes
    torch.manual_seed(0)
    return Plain(data.event[0], int(data.labels.max()) + 1)


def plain(data: Dataset, batch: int = 100) -> Plain:
    """Return such a classifier, trained on the data."""
    passes = 1 if data.name == "mnist" else 3  # digits are read well after one
    assert data.labels is not None  # noqa: S101 all data sets measured here have classes
    net, x = untrained(data), data.scaled()
    steps = passes * len(x) // batch
    optimizer = torch.optim.AdamW(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for rows in torch.cat([torch.randperm(len(x)) for _ in range(passes)]).split(batch):
        optimizer.zero_grad()
        F.cross_entropy(net(x[rows]), data.labels[rows]).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def drawn(loaded: LoadedModel, way: str, n: int, seed: int) -> Samples:
    """Return images drawn in a way, as the sampler leaves them."""
    if way == CONFIGURED:
        return loaded.sample(n, seed=seed, decode="none")
    churn, share = WAYS[way]
    guide = share * loaded.config.guide.weight
    sampler, grid = loaded.config.sampling.build(loaded.model.process)
    if churn is None:
        sampler, grid = DPMpp2M(), Grid.fit(loaded.steered(guide=guide), TRANSITIONS, loaded.event, of="data")
    else:
        assert isinstance(sampler, Heun)  # noqa: S101 the recipe's
        sampler = replace(sampler, churn=churn)
    return loaded.sample(n, seed=seed, sampler=sampler, grid=grid, guide=guide, decode="none")


def about(loaded: LoadedModel) -> dict[str, Any]:
    """Return what tells one run from the others."""
    config = loaded.config
    data = config.name if config.data.kind == "path" else config.data.kind
    return {"run": config.name, "data": data, "mean": config.objective.times.mean, "steps": loaded.step}


def accuracy(judge: Any, data: Dataset) -> float:  # noqa: ANN401 of either make
    """Return the share of images of which a judge reads the class."""
    assert data.labels is not None  # noqa: S101 all data sets measured here have classes
    return (judge.probabilities(data.scaled()).argmax(1).cpu() == data.labels).float().mean().item()


def measured(x: Tensor, data: RealData, judges: dict[str, Any]) -> dict[str, Any]:
    """Return how far images are from test images, each distance beside that of training images."""
    test, train = data.reference.scaled(), data.real.scaled()
    found: dict[str, Any] = {}
    for name, judge in judges.items():
        seen = judge.features(test)
        floor = frechet_distance(judge.features(train), seen)
        found[f"FID by {name}"] = _row(frechet_distance(judge.features(x), seen), floor)
    found["energy distance"] = _row(energy_distance(x, test), energy_distance(train, test))
    found["told apart"] = _row(classifier_two_sample(x, test, trainings=2).accuracy)
    return found


def _row(found: Estimate, floor: Estimate | None = None) -> dict[str, float]:
    """Return a value with its error, and the floor that no samples get below."""
    return {"value": found.value, "error": found.error} | ({} if floor is None else {"floor": floor.value})


def kept(data: Dataset, path: Path | None) -> Plain:
    """Return the plain network, trained where it was not kept."""
    if path is None or not path.exists():
        net = plain(data)
        if path is not None:
            torch.save(net.state_dict(), path)
        return net
    net = untrained(data)
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


def save(found: dict[str, Any]) -> None:
    """Write what was found in place of what was found before in the same way."""
    same = ("run", "way", "n", "seed")
    there = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    others = [entry for entry in there if any(entry[key] != found[key] for key in same)]
    RESULTS.write_text(json.dumps([*others, found], indent=1) + "\n")


def main() -> None:
    """Draw, measure, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="folder of the run to draw from")
    parser.add_argument("ways", nargs="*", default=list(WAYS), metavar="WAY", help="; ".join(WAYS))
    parser.add_argument(
        "--judge", help="folder of a run of mnist-judge on the same data; the shipped one where it is of MNIST"
    )
    parser.add_argument("-n", type=int, default=2000, help="samples")
    parser.add_argument("--seed", type=int, default=0, help="of samples and of the choice of test images")
    parser.add_argument("--data-dir", help="where the data are")
    parser.add_argument("--plain", type=Path, help="where the plain network is kept from one call to the next")
    args = parser.parse_args()
    loaded = load_model(args.run)
    data = real_data(loaded.config.data.at(args.data_dir), loaded.drawn, args.n, seed=args.seed)
    judges = {"judge": load_judge(args.judge or "mnist-judge"), "plain": kept(data.train, args.plain)}
    right = {name: accuracy(judge, data.reference) for name, judge in judges.items()}
    for way in args.ways:
        began = time.process_time()
        made = drawn(loaded, way, args.n, args.seed)
        found = about(loaded) | {
            "way": way,
            "n": args.n,
            "seed": args.seed,
            "evaluations": made.evaluations,
            "accuracy": right,
        }
        found["processor_seconds"] = round(time.process_time() - began, 1)
        for how in ENDINGS:
            x = (
                made.x
                if loaded.byte_decoder is None
                else loaded.byte_decoder.finish(made.x, how, stream="elsewhere", rows=range(args.n)) / 255
            )
            found[how] = measured(x, data, judges)
        print(json.dumps(found), flush=True)
        save(found | {"environment": environment(torch.device("cpu"))})


if __name__ == "__main__":
    main()
