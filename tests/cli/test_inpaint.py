"""``scorefield inpaint``: what is known comes back bit for bit, what is reported is what is written, what cannot be is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from restoring import TINY, npz, refused, report, train

from scorefield.cli import main
from scorefield.cli.images import read_mask
from scorefield.cli.options import MASKS, MEASURED, REPLACED
from scorefield.cli.restore import _measured
from scorefield.data import digits
from scorefield.guidance import HIDDEN_PARTS
from turns import in_turn


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the 8×8 digits."""
    return train(tmp_path_factory.mktemp("digits") / "tiny", "--data.kind", "digits")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of images of 28×28."""
    folder = tmp_path_factory.mktemp("large")
    np.save(folder / "x.npy", np.random.default_rng(0).integers(0, 256, (200, 28, 28), dtype=np.uint8))
    return train(folder / "run", "--data.kind", "path", "--data.path", str(folder / "x.npy"))


def ask(run: Path, out: Path, *more: str) -> list[str]:
    given = {"--image": "3", "--mask": "right", "--steps": "2", "-n": "3", "--out": str(out)}
    taken = {*more, *(["-n"] if "--seeds" in more else [])}
    given = {key: value for key, value in given.items() if key not in taken}
    return ["inpaint", str(run), *(word for pair in given.items() for word in pair), *more]


@pytest.mark.parametrize(("sampler", "method"), in_turn(("heun", "ode", "em", "pc", "ald"), ("replace", "repaint")))
def test_known_pixels_are_written_bit_for_bit(run: Path, tmp_path: Path, method: str, sampler: str):
    out = tmp_path / "x.npz"
    assert main(ask(run, out, "--method", method, "--sampler", sampler, "--mask", "bernoulli:0.6")) == 0
    got = npz(out)
    hidden = np.broadcast_to(got["hidden"], got["truth"].shape)
    assert np.array_equal(got["truth"], digits(train=False).scaled()[3].numpy())
    for x in got["x"]:
        assert np.array_equal(x[~hidden], got["truth"][~hidden])
        assert not np.array_equal(x[hidden], got["truth"][hidden])
    assert np.array_equal(got["y"], got["truth"][~hidden])


@pytest.mark.parametrize("method", REPLACED + MEASURED)
def test_the_report_is_about_what_is_written(capsys, run: Path, tmp_path: Path, method: str):
    out = tmp_path / "x.npz"
    more = ["--particles", "2"] if method == "particles" else []
    told = report(capsys, *ask(run, out, "--method", method, *more))
    got = npz(out)
    hidden = np.broadcast_to(got["hidden"], got["truth"].shape)
    seen = got["x"][:, hidden].astype(float)
    assert got["x"].shape == (3, 1, 8, 8)
    errors = ((seen - got["truth"][hidden]) ** 2).mean(1)
    assert told["masked_mse"] == pytest.approx(errors, abs=1e-6)
    assert told["masked_mse_mean"] == pytest.approx(errors.mean(), abs=1e-6)
    pairs = [((seen[i] - seen[j]) ** 2).mean() ** 0.5 for i, j in ((0, 1), (0, 2), (1, 2))]
    assert told["diversity"] == pytest.approx(np.mean(pairs), abs=1e-6)
    misfit = ((got["x"][:, ~hidden] - got["y"]) ** 2).mean() ** 0.5
    assert told["misfit"] == pytest.approx(misfit, abs=1e-6)
    assert (told["misfit"] == 0) == (method in REPLACED)
    assert (told["method"], told["n"], told["hidden"], told["image"]) == (method, 3, 0.5, "digits 3")
    assert told["seconds"] > 0


def test_what_a_restoration_costs_is_counted(capsys, run: Path, tmp_path: Path):
    """Two Heun steps of 2 evaluations or two ancestral ones, and the closing one; a measurement doubles what the network costs."""
    heun = {"replace": (2 * 2 + 1), "repaint": 3 * 2 * 2 + 1, "pigdm": (2 * 2 + 1) * 2}
    for method, evaluations in heun.items():
        more = ["--resample", "3"] if method == "repaint" else []
        told = report(capsys, *ask(run, tmp_path / "x.npz", "--method", method, "--sampler", "heun", *more))
        assert told["evaluations_per_sample"] == evaluations, method
    told = report(capsys, *ask(run, tmp_path / "x.npz", "--method", "dps"))
    assert told["evaluations_per_sample"] == 2 * (2 + 1) + 2
    told = report(capsys, *ask(run, tmp_path / "x.npz", "--method", "particles", "--particles", "5"))
    assert told["evaluations_per_sample"] == 2 * (5 * 3 + 1)


@pytest.mark.parametrize("option", ["--resample", "--zeta", "--particles", "--noise"])
def test_settings_of_a_method_change_what_it_draws(run: Path, tmp_path: Path, option: str):
    method, values = {
        "--resample": ("repaint", ("1", "2")),
        "--zeta": ("dps", ("0.1", "0.5")),
        "--particles": ("particles", ("1", "4")),
        "--noise": ("pigdm", ("0.05", "1")),
    }[option]
    drawn = []
    for value in values:
        assert main(ask(run, tmp_path / "x.npz", "--method", method, option, value)) == 0
        drawn.append(npz(tmp_path / "x.npz")["x"])
    assert not np.array_equal(*drawn)


def test_less_noise_binds_what_is_known_closer(capsys, run: Path, tmp_path: Path):
    arguments = ask(run, tmp_path / "x.npz", "--method", "pigdm", "--steps", "20")
    loose, tight = (report(capsys, *arguments, "--noise", noise)["misfit"] for noise in ("1", "0.01"))
    assert tight < 0.02 < loose


def test_a_restoration_depends_on_its_seed_alone(run: Path, tmp_path: Path):
    def draw(seeds: str, batch: int) -> np.ndarray:
        out = tmp_path / "x.npz"
        assert main(ask(run, out, "--method", "repaint", "--seeds", seeds, "--batch-size", str(batch))) == 0
        return npz(out)["x"]

    together = draw("0-5", 6)
    np.testing.assert_allclose(draw("4,1", 1), together[[4, 1]], atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-2


def test_the_class_is_restored_that_is_asked_for(tmp_path: Path):
    run = train(tmp_path / "run", "--data.kind", "digits", "--network.classes", "10")
    drawn = []
    for more in ([], ["--class", "4"], ["--class", "4", "--weight", "3"]):
        assert main(ask(run, tmp_path / "x.npz", *more, "--method", "pigdm")) == 0
        drawn.append(npz(tmp_path / "x.npz")["x"])
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("left", range(5), range(3)),
        ("right", range(5), range(4, 7)),
        ("top", range(2), range(7)),
        ("bottom", range(3, 5), range(7)),
        ("vertical", range(5), range(1, 6)),
        ("horizontal", range(1, 4), range(7)),
        ("center", range(1, 4), range(1, 6)),
    ],
)
def test_masks_hide_what_they_say(name: str, rows: range, columns: range):
    """Of 5 rows and 7 columns: halves are rounded down, what stays at the sides of bands is a quarter, rounded down."""
    hidden = read_mask(name, (3, 5, 7), seed=0)
    expected = torch.zeros(1, 5, 7, dtype=torch.bool)
    expected[:, rows.start : rows.stop, columns.start : columns.stop] = True
    assert torch.equal(hidden, expected)


def test_every_named_mask_is_offered():
    assert MASKS == HIDDEN_PARTS


def test_bernoulli_hides_its_share_and_the_seed_says_where():
    masks = [read_mask("bernoulli:0.6", (1, 100, 100), seed) for seed in (0, 0, 1)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert abs(masks[0].float().mean().item() - 0.6) < 4 * (0.24 / 10_000) ** 0.5  # a false alarm in 16 000


def test_a_picture_hides_where_it_is_light(run: Path, tmp_path: Path):
    drawn = np.zeros((8, 8, 3), dtype=np.uint8)
    drawn[2:4, 5:] = 255
    drawn[7, 0] = 128  # the border between light and dark
    drawn[7, 1] = 127
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    assert main(ask(run, tmp_path / "x.npz", "--method", "replace", "--mask", str(tmp_path / "mask.png"))) == 0
    hidden = np.zeros((1, 8, 8), dtype=bool)
    hidden[:, 2:4, 5:] = hidden[:, 7, 0] = True
    assert np.array_equal(npz(tmp_path / "x.npz")["hidden"], hidden)


def test_a_picture_is_restored_as_the_image_it_shows(capsys, run: Path, tmp_path: Path):
    """Grey, or of three equal colours: 'mes données' holds spaces and accents on purpose."""
    grey = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    for k, values in enumerate((grey, np.stack([grey] * 3, axis=2))):
        path = tmp_path / f"mes données {k}.png"
        Image.fromarray(values).save(path)
        told = report(capsys, *ask(run, tmp_path / "x.npz", "--method", "replace", "--image", str(path)))
        assert told["image"] == path.name
        assert np.array_equal(npz(tmp_path / "x.npz")["truth"], grey[None].astype(np.float32) / 255)


def test_a_grey_picture_serves_a_model_of_colours(tmp_path: Path):
    colours = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", colours)
    run = train(tmp_path / "run", "--data.kind", "path", "--data.path", str(tmp_path / "x.npy"))
    Image.fromarray(colours[0, 0]).save(tmp_path / "grey.png")
    assert main(ask(run, tmp_path / "x.npz", "--method", "replace", "--image", str(tmp_path / "grey.png"))) == 0
    got = npz(tmp_path / "x.npz")
    assert got["x"].shape == (3, 3, 8, 8)
    assert (got["truth"] == got["truth"][:1]).all()
    assert main(ask(run, tmp_path / "x.png", "--method", "replace")) == 0


def test_the_panel_shows_what_is_hidden_in_a_colour_of_its_own(run: Path, tmp_path: Path):
    """The half that is hidden of an 8×8 digit covers half of one of the three pictures of the panel, in blue, and nothing else is blue."""
    paths = [tmp_path / f"{k}.png" for k in range(2)]
    for path in paths:
        assert main(ask(run, path, "--method", "replace", "-n", "8")) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    pixels = np.asarray(Image.open(paths[0]).convert("RGB")).astype(int)
    blue = (np.abs(pixels - np.array([64, 128, 217])) < 3).all(axis=2)
    rows, columns = np.flatnonzero(blue.any(1)), np.flatnonzero(blue.any(0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert blue[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.98
    assert height == pytest.approx(2 * width, abs=4)
    assert height > 300


class StandIn:
    """A judge that reads the digit off the mean of the left half of an image, which is known and so always the same, or off the right."""

    def __init__(self, part: slice) -> None:
        self.part = part

    def probabilities(self, x: torch.Tensor) -> torch.Tensor:
        bright = x[..., self.part].mean((1, 2, 3)) * 1e6
        return torch.nn.functional.one_hot(bright.long() % 10, 10).float()


@pytest.mark.parametrize(("part", "agree"), [(slice(14), True), (slice(14, None), False)])
def test_the_judge_compares_with_what_it_reads_in_the_truth(
    capsys, monkeypatch, large: Path, tmp_path: Path, part: slice, agree: bool
):
    judge = StandIn(part)
    monkeypatch.setattr("scorefield.cli.restore.load_judge", lambda: judge)
    told = report(capsys, *ask(large, tmp_path / "x.npz", "--method", "replace", "-n", "6"))
    got = npz(tmp_path / "x.npz")
    read = judge.probabilities(torch.from_numpy(np.concatenate([got["truth"][None], got["x"]]))).argmax(1)
    assert told["digit"] == read[0]
    assert told["agreement"] == pytest.approx((read[1:] == read[0]).float().mean())
    assert (told["agreement"] == 1) == agree
    assert main(ask(large, tmp_path / "x.npz", "--method", "replace", "-n", "6")) == 0
    assert f"of 6 read as {told['digit']}" in capsys.readouterr().out


def test_without_digits_to_read_the_judge_is_left_out_with_a_reason(capsys, run: Path, tmp_path: Path):
    told = report(capsys, *ask(run, tmp_path / "x.npz"))
    assert told["agreement"] is None
    assert "(1, 28, 28)" in told["agreement_left_out"]
    assert main(ask(run, tmp_path / "x.npz")) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert "no classifier agreement" in line
    assert "masked MSE" in line


def test_errors_are_told_in_any_units():
    told = _measured({"mse_mean": 7.0697e8, "diversity": 2.5e-7, "agreement": None})
    assert told == "MSE 7.07e+08, diversity 2.5e-07"


def test_one_restoration_has_no_diversity(capsys, run: Path, tmp_path: Path):
    assert report(capsys, *ask(run, tmp_path / "x.npz", "-n", "1"))["diversity"] is None
    assert main(ask(run, tmp_path / "x.png", "-n", "1")) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--image", "297"], ["--image 297", "297 test images", "0 to 296"]),
        (["--image=-1"], ["--image -1", "0 to 296"]),
        (["--mask", "diagonal"], ["--mask diagonal", "vertical", "bernoulli:0.6"]),
        (["--mask", "bernoulli"], ["--mask bernoulli", "between 0 and 1"]),
        (["--mask", "bernoulli:1.5"], ["bernoulli:1.5", "between 0 and 1"]),
        (["--mask", "bernoulli:nan"], ["bernoulli:nan", "between 0 and 1"]),
        (["--mask", "bernoulli:1e-9"], ["hides nothing"]),
        (["--mask", "bernoulli:0.999999999"], ["hides all"]),
        (["--method", "magic"], ["method", "magic", "repaint"]),
        (["--method", "repaint", "--resample", "0"], ["resample", "at least 1", "0"]),
        (["--method", "dps", "--zeta", "0"], ["zeta", "above 0", "received 0"]),
        (["--method", "particles", "--particles", "0"], ["at least 1", "0"]),
        (["--method", "particles", "--sampler", "heun"], ["particles", "--sampler heun"]),
        (["--method", "particles", "--resample", "3"], ["--resample", "repaint", "particles"]),
        (["--method", "replace", "--noise", "0.1"], ["--noise", "pigdm", "replace"]),
        (["--method", "repaint", "--zeta", "1"], ["--zeta", "dps", "repaint"]),
        (["--method", "repaint", "--particles", "2"], ["--particles", "repaint"]),
        (["--method", "pigdm", "--noise", "-1"], ["noise", "-1"]),
        (["--method", "pigdm", "--noise", "nan"], ["noise", "nan"]),
        (["--method", "pigdm", "--steps", "0"], ["steps", "0"]),
        (["--sampler", "magic"], ["magic"]),
        (["--options.snr", "2"], ["snr"]),
        (["--class", "3"], ["labels"]),
        (["--weight", "2"], ["--weight", "--class"]),
        (["-n", "0"], ["-n", "0"]),
        (["--batch-size", "0"], ["--batch-size", "0"]),
        (["--seeds", "x"], ["--seeds", "x"]),
        (["--out", "x.gif"], ["x.gif", ".png", ".npz"]),
        (["--out", "/no/such/x.png"], ["/no/such"]),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(
    capsys, run: Path, tmp_path: Path, arguments: list[str], words: list[str]
):
    refused(capsys, ask(run, tmp_path / "x.npz", *arguments), *words)
    assert not (tmp_path / "x.npz").exists()


def test_pictures_that_do_not_fit_are_refused(capsys, run: Path, tmp_path: Path):
    def saved(name: str, values: np.ndarray) -> str:
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / name)
        return str(tmp_path / name)

    out = tmp_path / "x.npz"
    wide, colour = saved("wide.png", np.zeros((8, 9))), saved("colour.png", np.eye(8)[..., None] * [255, 0, 0])
    refused(capsys, ask(run, out, "--image", wide), "wide.png", "8 × 9", "8 × 8")
    refused(capsys, ask(run, out, "--image", colour), "colour.png", "grey")
    refused(capsys, ask(run, out, "--mask", wide), "wide.png", "8 × 9", "8 × 8")
    refused(capsys, ask(run, out, "--mask", saved("black.png", np.zeros((8, 8)))), "hides nothing")
    refused(capsys, ask(run, out, "--mask", saved("white.png", np.full((8, 8), 255))), "hides all")


def test_pictures_that_cannot_be_read_are_exit_3(capsys, run: Path, tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for option in ("--image", "--mask"):
        for name, word in (("broken.png", "cannot be read"), ("none.png", "no such file"), (".", "a folder")):
            refused(capsys, ask(run, tmp_path / "x.npz", option, str(tmp_path / name)), name, word, code=3)


def test_images_in_other_units_are_restored_and_beyond_the_ends_of_the_data_refused(capsys, tmp_path: Path):
    x = 255 * np.random.default_rng(0).random(size=(60, 1, 8, 8), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    run = train(tmp_path / "run", "--data.kind", "path", "--data.path", str(tmp_path / "x.npy"))
    assert main(ask(run, tmp_path / "x.npz", "--method", "replace")) == 0
    got = npz(tmp_path / "x.npz")
    known = ~np.broadcast_to(got["hidden"], got["truth"].shape)
    assert got["x"].shape == (3, 1, 8, 8)
    assert np.array_equal(got["truth"], x[3])
    assert (got["x"][:, known] == x[3][known]).all()
    Image.fromarray(np.full((8, 8), 255, dtype=np.uint8)).save(tmp_path / "white.png")
    assert main(ask(run, tmp_path / "x.npz", "--method", "replace", "--image", str(tmp_path / "white.png"))) == 0
    np.testing.assert_allclose(npz(tmp_path / "x.npz")["truth"], x.max(), rtol=1e-6)
    np.save(tmp_path / "x.npy", 2 * x)
    refused(capsys, ask(run, tmp_path / "x.npz"), "--image 3", "values from", "the model's data lie in [")
    np.save(tmp_path / "x.npy", np.zeros((60, 9, 8), dtype=np.uint8))
    refused(capsys, ask(run, tmp_path / "x.npz"), "(1, 9, 8)", "(1, 8, 8)")


def test_bytes_in_an_array_are_the_levels_that_they_are_in_training(capsys, run: Path, tmp_path: Path):
    x = np.random.default_rng(0).integers(0, 256, (1, 8, 8), dtype=np.uint8)
    for name, array in (("bytes", x), ("numbers", x / 255), ("far", x.astype(float))):
        np.save(tmp_path / f"{name}.npy", array)
    for name in ("bytes", "numbers"):
        assert main(ask(run, tmp_path / "x.npz", "--image", str(tmp_path / f"{name}.npy"))) == 0
        np.testing.assert_allclose(npz(tmp_path / "x.npz")["truth"], x / 255, rtol=1e-6)
    refused(capsys, ask(run, tmp_path / "x.npz", "--image", str(tmp_path / "far.npy")), "far.npy", "lie in [0, 1]")


SHAPES = {"vectors": (5,), "series": (1, 16), "two channels": (2, 8, 8)}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models of what no picture shows."""
    folder, runs = tmp_path_factory.mktemp("others"), {}
    for name, shape in SHAPES.items():
        x = 10 + 3 * np.random.default_rng(0).normal(size=(60, *shape))
        np.save(folder / f"{name}.npy", x.astype(np.float32))
        kind = ["--network.kind", "mlp"] if len(shape) == 1 else []
        more = ["--data.kind", "path", "--data.path", str(folder / f"{name}.npy"), *kind, *TINY]
        runs[name] = folder / name.replace(" ", "-")
        assert main(["train", *more, "--run", str(runs[name])]) == 0
    return runs


@pytest.mark.parametrize("method", ["replace", "pigdm"])
@pytest.mark.parametrize("name", SHAPES)
def test_what_no_picture_shows_is_restored_where_an_array_hides_it(
    capsys, others: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, method: str
):
    """The example is an array too, or one of the test set; without --out there is an .npz, and no picture is tried."""
    shape = SHAPES[name]
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    truth, hidden = (10 + 3 * rng.normal(size=shape)).astype(np.float32), rng.random(shape) < 0.5
    np.save("truth.npy", truth)
    np.save("hidden.npy", hidden)
    arguments = ["inpaint", str(others[name]), "--mask", "hidden.npy", "--steps", "2", "-n", "3", "--method", method]
    told = report(capsys, *arguments, "--image", "truth.npy")
    got = npz(tmp_path / "inpaint.npz")
    assert (told["out"], told["image"], told["agreement"]) == ("inpaint.npz", "truth.npy", None)
    assert got["x"].shape == (3, *shape)
    assert np.array_equal(got["truth"], truth)
    assert np.array_equal(got["hidden"], hidden)
    assert np.array_equal(got["y"], truth[~hidden])
    if method == "replace":
        assert np.array_equal(got["x"][:, ~hidden], np.broadcast_to(truth[~hidden], (3, (~hidden).sum())))
    assert (got["x"][0, hidden] != got["x"][1, hidden]).all()
    assert main([*arguments, "--image", "3"]) == 0
    assert main([*arguments, "--image", "3", "--mask", "bernoulli:0.5", "--seed", "1"]) == 0
    refused(capsys, [*arguments, "--image", "3", "--out", "x.png"], ".npz", str(shape))


def test_arrays_that_do_not_fit_are_refused(capsys, others: dict[str, Path], run: Path, tmp_path: Path):
    def saved(name: str, values: np.ndarray) -> str:
        np.save(tmp_path / name, values)
        return str(tmp_path / name)

    out, vectors = tmp_path / "x.npz", others["vectors"]
    refused(capsys, ask(vectors, out), "--mask right", "(5,)", "bernoulli:0.6", ".npy")
    refused(capsys, ask(vectors, out, "--image", "x.png"), "x.png", "(5,)", ".npy")
    half = saved("half.npy", np.arange(5) > 2)
    for name, values, words in (
        ("long.npy", np.zeros(6), ["(6,)", "(5,)"]),
        ("none.npy", np.full(5, np.nan), ["NaN"]),
    ):
        refused(capsys, ask(vectors, out, "--mask", half, "--image", saved(name, values)), name, *words)
    refused(capsys, ask(vectors, out, "--mask", saved("long.npy", np.zeros(6))), "(6,)", "(5,)")
    refused(capsys, ask(vectors, out, "--mask", saved("zeros.npy", np.zeros(5))), "hides nothing")
    refused(capsys, ask(vectors, out, "--mask", str(tmp_path / "gone.npy")), "gone.npy", "no such file", code=3)
    rows = saved("rows.npy", np.arange(64).reshape(8, 8) > 30)
    assert main(ask(run, out, "--mask", rows)) == 0  # one mask for all channels of an image
    assert npz(out)["hidden"].shape == (1, 8, 8)


def test_the_whole_path_on_mnist(capsys, mnist_dir: Path, tmp_path: Path):
    """The shipped model, and a digit of the test set: the first is a seven."""
    out = tmp_path / "x.png"
    arguments = ["inpaint", "mnist", "--image", "0", "--mask", "left", "--data-dir", str(mnist_dir), "--out", str(out)]
    told = report(capsys, *arguments, "--method", "replace", "--steps", "2", "-n", "2")
    assert told["image"] == "mnist 0"
    assert told["digit"] == 7
    assert told["agreement"] in (0, 0.5, 1)
    assert told["evaluations_per_sample"] == 5
    assert out.stat().st_size > 0


def test_noise_that_drowns_a_column_is_doubted(tmp_path: Path, capsys) -> None:
    x = np.random.default_rng(0).normal([170.0, 0.02], [10.0, 0.005], (200, 2)).astype("f4")
    for name, array in (("x", x), ("first", x[0]), ("hidden", np.array([True, False]))):
        np.save(tmp_path / f"{name}.npy", array)
    table = train(
        tmp_path / "run", "--data.kind", "path", "--data.path", str(tmp_path / "x.npy"), "--network.kind", "mlp"
    )
    given = ["--image", str(tmp_path / "first.npy"), "--mask", str(tmp_path / "hidden.npy"), "--method", "pigdm"]
    for more, doubted in (([], True), (["--noise", "1e-4"], False)):
        capsys.readouterr()
        assert main(ask(table, tmp_path / "x.npz", *given, *more)) == 0
        assert (
            "noise, 0.05, is more than a coordinate of the data varies, 0.005" in capsys.readouterr().err
        ) == doubted
