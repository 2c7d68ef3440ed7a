"""``scorefield toy``: the whole path with tiny numbers, and the measurements it prints with real ones."""

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from scorefield.cli import main
from scorefield.densities import GaussianMixture
from scorefield.models import Exact
from scorefield.sampling import Samples, sample
from scorefield.toys import OBJECTIVES, TOYS, chains, field_errors, learn, objective, plan, table, weights
from scorefield.toys.known import REPEATS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes."""
    path = tmp_path_factory.mktemp("toys") / "mixture ∇"
    with pytest.MonkeyPatch.context() as patch:  # a tenth of the steps on each level
        for module in ("known", "comparison"):
            patch.setattr(f"scorefield.toys.{module}.REPEATS", 4)
        assert main(["toy", "mixture", "--fast-dev-run", "--out", str(path)]) == 0
    return path


def test_every_promised_file_is_there_and_is_a_picture(folder: Path):
    for name in ("field.png", "samples.png", "histograms.png", "trajectories.png", "weights.png", "path.gif"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300, name
            low, high = picture.convert("L").getextrema()
            assert high - low > 100, f"{name} is blank"


def test_metrics_hold_what_was_asked_and_what_was_measured(folder: Path):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["settings"]["objective"] == "dsm"
    assert metrics["environment"]["torch"]
    for score in ("learned score", "exact score"):
        for row in metrics["samples"][score].values():
            modes = row["modes"]
            assert row["n"] == modes["n"] == 50
            assert sum(modes["shares"]) == pytest.approx(1)
            assert all(a <= s <= b for a, s, b in zip(modes["low"], modes["shares"], modes["high"], strict=True))
            assert modes["expected"] == pytest.approx([0.2, 0.8], abs=0.01)
    # Four steps teach nothing; the exact score needs no lesson.
    inside = {score: by["probability flow"]["inside_99"] for score, by in metrics["samples"].items()}
    assert inside["exact score"] > 0.9 > inside["learned score"]
    assert "learned score, annealed Langevin" in table(metrics)


def test_an_unknown_name_is_one_line_with_the_choices_and_exit_2(capsys):
    assert main(["toy", "spiral"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "spiral" in error
    assert all(name in error for name in TOYS)


@pytest.mark.parametrize("extra", [["--steps", "0"], ["-n", "0"], ["--objective", "sm"], ["--out", "/proc/nowhere"]])
def test_bad_settings_are_exit_2_and_one_line(capsys, tmp_path: Path, monkeypatch, extra: list[str]):
    monkeypatch.chdir(tmp_path)
    assert main(["toy", "circle", *extra]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_density_and_needs_no_torch(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["toy", "--help"])
    assert not stop.value.code
    text = capsys.readouterr().out
    assert all(name in text for name in (*TOYS, "ssmvr", "--fast-dev-run"))


def test_every_name_that_is_offered_is_built():
    levels = plan(TOYS["circle"])
    assert all(callable(objective(kind, levels)) for kind in OBJECTIVES)


@pytest.mark.parametrize("name", TOYS)
def test_chains_are_stable_and_plain_langevin_spends_what_annealed_spends(name: str):
    """`AnnealedLangevin` refuses α ≥ 4σ²; plain Langevin's α must stay below that at its own level."""
    levels = plan(TOYS[name])
    built = chains(TOYS[name], levels)
    exact = Exact(TOYS[name].density, levels.process)
    annealed, plain = built["annealed Langevin"], built["Langevin"]
    sample(exact, annealed.sampler, (1, 2), grid=annealed.times[::REPEATS])  # each level once
    assert plain.sampler.step_size < 4 * levels.sigma**2  # pyright: ignore[reportAttributeAccessIssue]
    assert len(annealed.times) == len(plain.times)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dsm", "dae"])
def test_a_briefly_trained_circle_is_right_near_the_data_and_wrong_far_from_it(kind: str):
    toy = TOYS["circle"]
    levels = plan(toy)
    exact = Exact(toy.density, levels.process)
    model = learn(toy, levels, kind, steps=600, batch_size=256, seed=0, on_step=lambda _: None)
    errors = field_errors(model, exact, levels.process.time(torch.tensor(0.5, dtype=torch.float64)), toy.square, n=2000)
    assert errors["near"]["rms"] < 0.1 * errors["far"]["rms"]
    # A score of zero would pass the line above, since the true score is small near the data; its relative error is 1.
    assert errors["near"]["relative"] < 0.2 < 0.4 < errors["far"]["relative"]
    same = field_errors(exact, exact, levels.t, toy.square, n=500)
    assert same["near"]["rms"] == same["far"]["rms"] == 0


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_every_objective_prefers_a_model_that_is_right(kind: str):
    """At the truth every loss is smaller than at the truth of another law, by more than chance."""
    toy = TOYS["mixture"]
    levels = plan(toy)
    loss = objective(kind, levels)
    x = toy.density.sample(4000, torch.Generator().manual_seed(0))
    right, wrong = (Exact(law, levels.process) for law in (toy.density, GaussianMixture.ring(8, 5.0, 0.5)))
    gaps = torch.cat(
        [
            loss(wrong, x, torch.Generator().manual_seed(k)) - loss(right, x, torch.Generator().manual_seed(k))
            for k in range(8)
        ]
    ).double()
    assert gaps.mean() > 5 * gaps.std() / math.sqrt(len(gaps))


def test_exact_scores_weigh_modes_right_when_annealed_and_wrong_when_not():
    toy = TOYS["mixture"]
    levels = plan(toy)
    exact = Exact(toy.density, levels.process)
    drawn = {}
    for name, (sampler, times, start) in chains(toy, levels).items():
        init = None if start is None else start.uniform(4000, torch.Generator().manual_seed(0))
        drawn[name] = sample(exact, sampler, (4000, 2), grid=times, init=init)
    shares = weights({"exact": drawn}, toy.density)["exact"]
    # Chains that are not infinitely slow keep a bias: 0.014 here, measured at n = 20 000; a standard error is 0.0063.
    assert abs(shares["annealed Langevin"].shares[0] - 0.2) < 0.014 + 4 * 0.0063
    assert shares["probability flow"].p_value > 1e-3  # level: one seed in a thousand
    assert shares["Langevin"].low[0] > 0.4


def test_weights_count_a_hand_made_sample():
    mixture = GaussianMixture([[-5.0, 0.0], [5.0, 0.0]], 1.0, [0.5, 0.5])
    x = torch.tensor([[-5.0, 0.0]] * 30 + [[5.0, 0.0]] * 10)
    drawn = Samples(x, 1, torch.zeros(2), None)
    found = weights({"row": {"by hand": drawn}}, mixture)["row"]["by hand"]
    assert found.shares == [0.75, 0.25]
    # Wilson's interval for 30 of 40, z = 1.96: centre (p + z²/2n)/(1 + z²/n).
    z, n, p = 1.959964, 40, 0.75
    centre, half = (
        (p + z**2 / (2 * n)) / (1 + z**2 / n),
        z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n),
    )
    assert (found.low[0], found.high[0]) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert found.p_value < 0.01
    assert weights({"row": {"by hand": drawn}}, TOYS["circle"].density) == {}
