"""Labels and classes: labels that do not fit the network's classes are refused before a step is taken, from the shell and in Python."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

import scorefield as sf
from scorefield.cli import main
from scorefield.data import Dataset

X = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
WRONG = {
    "from 1 to 5": (torch.arange(20) % 5 + 1, "classes, labelled 0 to 4; the data has labels from 1 to 5.*classes=6"),
    "from 0 to 9": (torch.arange(20) % 10, "labels from 0 to 9"),
    "only 'no label'": (torch.full((20,), 5), "labels from 5 to 5"),
    "none": (None, "the data has none"),
}


def train(tmp_path: Path, labels: torch.Tensor | None, *more: str) -> int:
    arrays = {"x": X.numpy(), **({} if labels is None else {"labels": labels.numpy()})}
    np.savez(tmp_path / "x.npz", **arrays)
    data = [
        "--data.kind",
        "path",
        "--data.path",
        str(tmp_path / "x.npz"),
        "--network.kind",
        "mlp",
        "--network.width",
        "8",
    ]
    return main(["train", *data, "--network.classes", "5", "--run", str(tmp_path / "run"), "--device", "cpu", *more])


@pytest.mark.parametrize("name", WRONG)
def test_labels_that_do_not_fit_are_refused_by_the_dry_run(tmp_path: Path, capsys, name: str) -> None:
    labels, message = WRONG[name]
    assert train(tmp_path, labels, "--dry-run") == 2
    with pytest.raises(sf.ConfigError, match=message):
        raise sf.ConfigError(capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("form", ["Dataset", "pair", "loader"])
def test_labels_that_do_not_fit_are_refused_by_fit(seeded: None, name: str, form: str) -> None:
    labels, message = WRONG[name]
    data = {"Dataset": Dataset(X, labels, "mine"), "pair": X if labels is None else (X, labels)}.get(form)
    if form == "loader":
        data = DataLoader(TensorDataset(*((X,) if labels is None else (X, labels))), 20, generator=torch.Generator())
    model = sf.Denoiser(sf.MLP(dim=64, width=8, classes=5), sf.EDM(), sigma_data=0.5)
    with pytest.raises(sf.ConfigError, match=message):
        sf.fit(model, data, sf.DSM(), steps=2, batch_size=20)


def test_a_class_without_examples_is_warned_of(tmp_path: Path, capsys) -> None:
    assert train(tmp_path, torch.tensor([0, 1, 2, 4] * 5), "--fast-dev-run") == 0
    assert capsys.readouterr().err.count("no example has the label 3, of 5 classes") == 1
    assert main(["sample", str(tmp_path / "run"), "-n", "2", "--class", "4", "--out", str(tmp_path / "s.npz")]) == 0


def test_all_classes_seen_say_nothing(tmp_path: Path, capsys) -> None:
    assert train(tmp_path, torch.arange(20) % 5, "--fast-dev-run") == 0
    assert "label" not in capsys.readouterr().err


def test_a_classifier_wants_all_labels_within_its_classes(tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "x.npz", x=X.numpy(), labels=(torch.arange(20) % 5 + 1).numpy())
    (tmp_path / "c.yaml").write_text(
        f"data: {{kind: path, path: '{tmp_path}/x.npz'}}\nnetwork: {{kind: noisy_classifier, classes: 5, width: 8}}\n"
        "model: classifier\nobjective: cross_entropy\ntrain: {label_dropout: 0.0}\n"
    )
    assert main(["train", "--config", str(tmp_path / "c.yaml"), "--device", "cpu", "--dry-run"]) == 2
    assert "labels from 1 to 5" in capsys.readouterr().err


def test_folders_are_the_classes_a_network_is_trained_on(tmp_path: Path, capsys) -> None:
    for k, name in enumerate(("cats", "dogs", "eels")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for n in range(4):
            Image.fromarray(np.full((8, 8), 40 * k + n, np.uint8)).save(tmp_path / "pets" / name / f"{n}.png")
    small = ["--network.kind", "mlp", "--network.width", "8", "--device", "cpu", "--run", str(tmp_path / "run")]
    asked = ["train", "--data.kind", "path", "--data.path", str(tmp_path / "pets"), *small]
    assert main([*asked, "--network.classes", "3", "--fast-dev-run"]) == 0
    assert "label" not in capsys.readouterr().err
    assert main(["sample", str(tmp_path / "run"), "-n", "2", "--class", "2", "--out", str(tmp_path / "s.png")]) == 0
    assert main([*asked, "--network.classes", "2", "--dry-run"]) == 2


def test_a_class_without_examples_is_drawn_with_a_warning(tmp_path: Path, capsys) -> None:
    assert train(tmp_path, torch.tensor([0, 3, 4, 3] * 5), "--fast-dev-run") == 0
    assert "no example has the label 1" in capsys.readouterr().err
    for asked, told in (("3", False), ("0,3,4", False), ("2", True), ("1-4", True)):
        draw = ["sample", str(tmp_path / "run"), "-n", "4", "--steps", "1", "--device", "cpu", "--class", asked]
        assert main([*draw, "--batch-size", "2", "--out", str(tmp_path / "x.npz")]) == 0
        said = capsys.readouterr().err
        assert said.count("saw no example of class") == told
        assert (f"of class {asked[0]} in training" in said) == told
