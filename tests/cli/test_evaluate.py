"""``scorefield evaluate``: what it writes, what it sees, what it refuses; digits are read by a stand-in for the judge."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorefield import pretrained
from scorefield.cli import main
from scorefield.errors import ConfigError
from scorefield.metrics import classifier_test

TINY = ["--network.width", "8", "--network.depth", "1", "--device", "cpu", "--fast-dev-run"]
DRAW = ["--sampler", "euler", "--steps", "2", "--device", "cpu"]
N = 60
PASSES = classifier_test._PASSES


class StandIn:
    """Sees means of 7×7 pixels, and reads class k where the k-th of them is the largest."""

    def features(self, x: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x.double(), 7).flatten(1)

    def probabilities(self, x: Tensor) -> Tensor:
        return torch.softmax(50 * self.features(x)[:, :10], dim=1)


def digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images with a bright blot, in one of ten places, that is their label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    images = rng.integers(0, 60, (n, 28, 28), dtype=np.uint8)
    for image, k in zip(images, labels, strict=True):
        image[7 * (k // 4) :, 7 * (k % 4) :][:7, :7] += rng.integers(80, 190, dtype=np.uint8)
    return images, labels


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 300 and 150 digits in the files of MNIST."""
    folder = tmp_path_factory.mktemp("data")
    for part, n in (("train", 300), ("t10k", 150)):
        images, labels = digits(n, seed=n)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    return folder


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory, data: Path) -> list[str]:
    """A run on these digits that was hardly trained, and where they are."""
    run = str(tmp_path_factory.mktemp("runs") / "mnist")
    assert main(["train", "--data.kind", "mnist", "--data-dir", str(data), *TINY, "--run", run]) == 0
    return [run, "--data-dir", str(data)]


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is a stand-in, and networks that tell samples from data are hardly trained."""
    monkeypatch.setattr(pretrained, "load_judge", lambda *_: StandIn())
    monkeypatch.setattr(classifier_test, "_PASSES", 2)


@pytest.fixture
def trained_to_tell(stand_in: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier_test, "_PASSES", PASSES // 3)  # enough for blots


def report(out: Path, *arguments: str, code: int = 0) -> dict:
    assert main(["evaluate", *arguments, "--out", str(out)]) == code
    return json.loads((out / "evaluation.json").read_text())


def from_images(tmp_path: Path, images: np.ndarray) -> list[str]:
    """Return the option that measures these images, in bytes."""
    np.savez(tmp_path / "x.npz", x=images[:, None].astype(np.float32) / 255)
    return ["--from-samples", str(tmp_path / "x.npz")]


def test_a_drawn_sample_is_measured_and_kept(capsys, mnist: list[str], tmp_path: Path) -> None:
    drawn = report(tmp_path / "a", *mnist, *DRAW, "--n", str(N), "--likelihood", "2", "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == drawn
    pictures = {"grid.png", "recognised.png"}
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"README.md", "evaluation.json", "samples.npz", *pictures}
    page = (tmp_path / "a" / "README.md").read_text()
    told = (
        f"{drawn['training']['parameters']:,} parameters, 4 steps of 16 in 0.",
        "4 network evaluations each",
        "](grid.png)",
    )
    for words in (*told, f"guide {drawn['guide']}, precision {drawn['precision']}"):
        assert words in page, words
    assert (drawn["n"], drawn["n_reference"], drawn["n_real"]) == (N, N, N)
    assert drawn["evaluations_per_sample"] == 4  # the last draws bytes
    assert drawn["environment"]["torch"]
    assert drawn["bits_per_dim"]["n"] == 2
    assert drawn["bits_per_dim"]["variational"]["n"] == N
    for way in ("uniform", "gaussian"):
        assert drawn["bits_per_dim"][way]["value"] > 0
        assert f"{way} dequantisation" in drawn["bits_per_dim"][way]["dequantisation"].lower()
    assert drawn["memorisation"]["expected_share"] == pytest.approx(300 / (300 + N))
    for row in drawn["measures"].values():
        for value in row.values():
            assert value["low"] <= value["value"] <= value["high"]
    again = report(tmp_path / "b", *mnist, "--from-samples", str(tmp_path / "a" / "samples.npz"))
    assert again["measures"] == drawn["measures"]
    assert again["classes"] == drawn["classes"]
    assert again["classifier_two_sample"] == drawn["classifier_two_sample"]
    assert again["evaluations_per_sample"] is None


def test_the_table_names_its_numbers(capsys, mnist: list[str], tmp_path: Path) -> None:
    main(["evaluate", *mnist, *from_images(tmp_path, digits(N, seed=1)[0]), "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out
    names = ("FID (MNIST features)", "KID (MNIST features)", "precision", "coverage", "χ² p-value", "real data")
    for words in (*names, "thickness", "half resolution"):
        assert words in out
    assert f"{N} test examples of mnist" in out
    assert " FID " not in out.replace("FID (MNIST features)", "")


@pytest.mark.usefixtures("trained_to_tell")
def test_fresh_digits_measure_like_data(mnist: list[str], tmp_path: Path) -> None:
    found = report(tmp_path / "out", *mnist, *from_images(tmp_path, digits(N, seed=1)[0]))
    for name, row in found["measures"].items():
        errors = (row["samples"]["error"] ** 2 + row["real"]["error"] ** 2) ** 0.5
        assert abs(row["samples"]["value"] - row["real"]["value"]) <= 5 * errors + 1e-6, name
    assert found["classes"]["samples"]["p_value"] > 1e-3
    assert found["memorisation"]["p_value"] > 1e-3
    assert found["memorisation"]["ratio"]["value"] == pytest.approx(1, abs=0.05)
    assert found["soundness"]["samples"]["in_range"] == 1
    for view in found["classifier_two_sample"].values():
        assert abs(view["samples"]["value"] - 0.5) < 4 * view["samples"]["error"]
    assert all(row["rejected"] == 0 for row in found["strokes"].values())


@pytest.mark.usefixtures("trained_to_tell")
@pytest.mark.slow
def test_noise_is_seen(mnist: list[str], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (N, 28, 28), dtype=np.uint8)
    found = report(tmp_path / "out", *mnist, *from_images(tmp_path, noise))
    assert found["measures"]["precision"]["samples"]["value"] == 0
    assert found["measures"]["coverage"]["samples"]["value"] == 0
    frechet = found["measures"]["frechet_distance"]
    assert frechet["samples"]["low"] > frechet["real"]["high"]
    assert found["classifier_two_sample"]["as they are"]["samples"]["value"] > 0.9
    assert found["classifier_two_sample"]["as they are"]["real"]["value"] < 0.65
    assert found["strokes"]["ink"]["beyond"]["value"] > 0.9


@pytest.mark.slow
def test_copies_and_a_missing_class_are_seen(mnist: list[str], tmp_path: Path) -> None:
    images, _ = digits(300, seed=300)  # the training set
    copies = report(tmp_path / "out", *mnist, *from_images(tmp_path, images[:N]))["memorisation"]
    assert copies["train_share"]["value"] == 1
    assert copies["ratio"]["value"] == pytest.approx(0, abs=1e-5)
    assert copies["p_value"] < 1e-3

    images, labels = digits(200, seed=2)
    missing = report(tmp_path / "out", *mnist, *from_images(tmp_path, images[labels != 3]))["classes"]
    assert missing["samples"]["shares"][3] == 0
    assert missing["samples"]["p_value"] < 1e-3 < missing["real"]["p_value"]


def test_samples_of_a_class_are_compared_with_that_class(mnist: list[str], tmp_path: Path) -> None:
    images, labels = digits(800, seed=1)
    threes = images[labels == 3][:40]
    found = report(tmp_path / "out", *mnist, "--class", "3", *from_images(tmp_path, threes))
    assert found["measures"]["as_asked"]["samples"]["value"] == 1
    assert found["classes"]["expected"][3] == 1
    assert found["n_reference"] < 40  # of 150 test digits
    other = report(tmp_path / "out", *mnist, "--class", "4", *from_images(tmp_path, threes))
    assert other["measures"]["as_asked"]["samples"]["value"] == 0
    assert other["measures"]["precision"]["samples"]["value"] == 0


def test_samples_are_measured_in_the_units_of_the_data(capsys, monkeypatch, mnist: list[str], tmp_path: Path) -> None:
    """Bytes are levels where the data are bytes, and numbers where they are numbers; a table is read as it is written."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 1, 28, 28)).astype(np.uint8)
    columns = rng.normal(100, 20, (60, 2)).round().clip(0, 255)
    table = str(tmp_path / "table")
    np.savetxt(f"{table}.csv", columns, delimiter=",", header="a,b", comments="")
    assert main(["train", "--data.path", f"{table}.csv", *TINY, "--network.kind", "mlp", "--run", table]) == 0
    measured: list[Tensor] = []

    def seen(x: Tensor, *_: object, **__: object) -> None:
        measured.append(x)
        raise ConfigError("seen")

    monkeypatch.setattr("scorefield.evaluation.evaluate_samples", seen)
    levels, far = torch.tensor(images) / 255, torch.tensor(images).float()
    for run, array, expected in (
        (mnist, images, levels),
        (mnist, images / 255, levels),
        (mnist, images * 1.0, far),
        ([table], columns.astype(np.uint8), torch.tensor(columns).float()),
        ([table], columns, torch.tensor(columns).float()),
    ):
        np.save(tmp_path / "x.npy", array)
        capsys.readouterr()
        main(["evaluate", *run, "--from-samples", str(tmp_path / "x.npy"), "--out", str(tmp_path / "e")])
        torch.testing.assert_close(measured.pop(), expected)
        assert ("outside of [0, 1]" in capsys.readouterr().err) == (expected is far)
    np.savetxt(tmp_path / "x.csv", columns[:, ::-1], delimiter=",", header="b,a", comments="")
    main(["evaluate", table, "--from-samples", str(tmp_path / "x.csv"), "--out", str(tmp_path / "e")])
    torch.testing.assert_close(measured.pop(), torch.tensor(columns).float())


def test_classes_take_turns_and_no_share_is_beyond_one(mnist: list[str], tmp_path: Path) -> None:
    images, labels = digits(800, seed=1)
    kinds = [images[labels == k][:20] for k in (3, 4)]
    turns = np.stack(kinds, axis=1).reshape(-1, 28, 28)
    turns[-1] = kinds[0][0]  # one of forty is not what was asked for
    found = report(tmp_path / "out", *mnist, "--class", "3,4", *from_images(tmp_path, turns))
    asked = found["measures"]["as_asked"]["samples"]
    assert asked["value"] == pytest.approx(39 / 40)
    recall = found["measures"]["recall"]["samples"]
    assert recall["low"] < recall["value"] == recall["high"] == 1  # though its error is as large above as below


def test_other_data_are_compared_as_vectors(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "--data.kind", "digits", *TINY, "--run", run]) == 0
    found = report(tmp_path / "out", run, *DRAW, "-n", "40")
    assert set(found["measures"]) == {"mmd", "energy_distance", "sliced_wasserstein", "c2st"}
    assert found["measures"]["mmd"]["samples"]["low"] > found["measures"]["mmd"]["real"]["high"]
    assert "classes" not in found
    assert found["reference"] == "40 test examples of digits"


def test_data_without_a_test_set_are_halved(tmp_path: Path) -> None:
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(90, 2)).astype(np.float32))
    run = str(tmp_path / "run")
    own = ["--data.kind", "path", "--data.path", str(tmp_path / "points.npy"), "--network.kind", "mlp"]
    assert main(["train", *own, "--device", "cpu", "--fast-dev-run", "--run", run]) == 0
    found = report(tmp_path / "out", run, *DRAW, "-n", "60")
    assert (found["n"], found["n_reference"], found["n_real"]) == (60, 45, 45)
    assert "which has no test set" in found["reference"]
    assert "memorisation" not in found  # there is no control
    assert not (tmp_path / "out" / "grid.png").exists()
    assert found["soundness"]["samples"]["in_range"] is None  # columns have no ends
    assert "in range" not in (tmp_path / "out" / "README.md").read_text()
    np.save(tmp_path / "others.npy", np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32))
    found = report(tmp_path / "tested", run, *DRAW, "-n", "60", "--test", str(tmp_path / "others.npy"))
    assert (found["n_reference"], found["n_real"], found["reference"]) == (50, 60, "50 test examples of points")
    assert "memorisation" in found


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-n", "5"], 2, ["at least 20", "5"]),
        (["--likelihood", "-1"], 2, ["--likelihood", "-1"]),
        (["-n", "30", "--likelihood", "31"], 2, ["31", "30"]),
        (["-n", "30", "--likelihood", "2", "--class", "3"], 2, ["--likelihood", "--class"]),
        (["-n", "30", "--sampler", "nonsense"], 2, ["nonsense"]),
        (["-n", "30", "--weight", "1"], 2, ["--weight"]),
        (["-n", "30", "--class", "77"], 2, ["77"]),
        (["--from-samples", "/no/such.npz"], 3, ["/no/such.npz"]),
        (["--from-samples", "SMALL"], 2, ["(1, 8, 8)", "(1, 28, 28)"]),
        (["--from-samples", "SMALL", "--steps", "3"], 2, ["--steps"]),
        (["-n", "30", "--out", "/proc/nowhere"], 2, ["/proc/nowhere"]),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    capsys, mnist: list[str], tmp_path: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    small = tmp_path / "small.npz"
    np.savez(small, x=np.zeros((30, 1, 8, 8), dtype=np.float32))
    given = [str(small) if a == "SMALL" else a for a in arguments]
    out = [] if "--out" in given else ["--out", str(tmp_path / "out")]
    capsys.readouterr()
    assert main(["evaluate", *mnist, "--device", "cpu", *given, *out]) == code
    printed, err = capsys.readouterr()
    assert printed == ""
    assert err.count("\n") == 1, err
    for word in words:
        assert word in err, err
