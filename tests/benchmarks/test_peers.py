"""The comparison with other libraries: how they are imported, what a missing one leaves, that equal things are compared, memory."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from benchmarks.peers import examples, libraries, likelihood, networks, quality, sampling, training
from benchmarks.timing import Note, Row, in_turn_apart, lasting
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from benchmarks import memory, minutes, page
from scorefield import Euler, Exact, Gaussian, Heun, ScoreModel, UNet
from scorefield.config import merge, read_yaml
from scorefield.data import Dataset

pytestmark = pytest.mark.usefixtures("seeded")  # other libraries draw from the global generator


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Write modules of a library that exists for one test."""

    def write(**modules: str) -> None:
        for name, source in modules.items():
            (tmp_path / "madeup").mkdir(exist_ok=True)
            (tmp_path / "madeup" / f"{name}.py").write_text(source)

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "madeup"]:
        del sys.modules[name]


def test_a_module_is_imported_without_the_init_of_its_package(package: Callable[..., None]) -> None:
    package(__init__="import no_such_module", inner="from . import other\nvalue = other.value", other="value = 7")
    assert libraries.load("madeup.inner").value == 7
    sys.modules.pop("madeup")
    with pytest.raises(libraries.Unavailable, match="no_such_module is not installed"):
        libraries.load("madeup")


def test_torchvision_is_empty_only_while_it_is_imported_for_one_that_cannot_do_without(
    package: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # cannot be imported, whatever is installed
    monkeypatch.setattr(libraries, "_without_torchvision", set())
    uses = "from torchvision import transforms as T, utils\nfrom torchvision.transforms import functional as F\n"
    package(__init__="", plain="value = 1", pictures=uses + "def read():\n    return F.to_tensor(0)\n")
    assert libraries.load("madeup.plain").value == 1
    assert "madeup" not in libraries.versions().what
    pictures = libraries.load("madeup.pictures")
    assert "torchvision was an empty module while madeup was imported" in libraries.versions().what
    assert sys.modules["torchvision"] is None
    assert "torchvision.transforms" not in sys.modules
    with pytest.raises(TypeError):
        pictures.read()


def test_a_missing_library_is_a_line_and_the_others_are_built(package: Callable[..., None]) -> None:
    package(__init__="", needs="import no_such_module")
    built, missing = libraries.available(
        {
            "gone": lambda: libraries.load("no_such_library.part"),
            "broken": partial(libraries.load, "madeup.needs"),
            "here": lambda: 3,
        }
    )
    assert built == {"here": 3}
    assert missing == [
        Note("gone: not measured, no_such_library is not installed"),
        Note("broken: not measured, no_such_module is not installed"),
    ]


def test_the_page_shows_lines_with_and_without_numbers() -> None:
    rows = [Row("a", 2.0, "s", 1.0, 0.9, 1.1), Note("b: not measured, c is not installed")]
    text = page.render({"growth": {"machine": "m", "rows": [row._asdict() for row in rows]}})
    assert "| a | 2 | s | 1.000 | 0.900 – 1.100 |" in text
    assert "| b: not measured, c is not installed | | | | |" in text
    assert "How our own cost grows" in text


def test_the_page_is_that_of_the_results() -> None:
    assert (page.HERE / "README.md").read_text() == page.whole()


def test_a_study_shows_its_best_first_among_those_of_one_budget_and_n() -> None:
    def entry(name: str, minutes: float, n: int, ratio: float) -> dict[str, Any]:
        measured = {key: {"samples": 0.5} for key in page.MEASURED}
        return {
            "variant": name,
            "minutes": minutes,
            "n": n,
            "frechet_distance": {"times_floor": ratio, "error": 0.5, "real": 0.25},
            **measured,
        }

    rows = page.table(
        [entry("a", 5, 100, 1), entry("b", 5, 500, 3), entry("c", 15, 500, 1), entry("d", 5, 500, 2)], "variant"
    )
    assert [row.split(" | ")[0] for row in rows.splitlines()[2:]] == ["| d", "| b", "| a", "| c"]
    assert "| 2.00 ± 2.00 |" in rows


def test_the_small_recipe_trains_what_drew_best_after_five_minutes() -> None:
    """How it draws was chosen since: tests/benchmarks/test_elsewhere.py."""
    entries = [e for e in json.loads((page.MINUTES / "results.json").read_text()) if e["minutes"] == 5]
    best = min(entries, key=lambda e: e["frechet_distance"]["times_floor"])
    small = read_yaml(minutes.CONFIG.with_name("mnist-small.yaml"))
    steps = small["train"]["steps"]
    assert steps == round(best["steps"], -2)
    rounds = {"train": {"steps": steps, "sample_every": 1000}, "guide": {"step": round(steps * minutes.GUIDED)}}
    studied = merge(merge(merge(read_yaml(minutes.CONFIG), minutes.DRAWN), best["changes"]), rounds)
    assert small.pop("sampling") != studied.pop("sampling")
    assert studied["train"].pop("decoder_steps") > 0  # after the minutes that were studied
    assert small.pop("guide")["step"] == studied.pop("guide")["step"]
    assert small == {**studied, "name": "mnist-small"}


def test_the_guide_says_how_the_study_drew() -> None:
    def options(values: dict, prefix: str = "--") -> list[str]:
        """Return nested settings as options of the command line."""
        return [
            option
            for key, value in values.items()
            for option in (options(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key} {value}"])
        ]

    text = (page.HERE.parent / "docs" / "choosing.md").read_text().replace("'", "")
    assert f"`{' '.join(options(minutes.DRAWN))}`" in text


def test_sides_apart_are_in_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    monkeypatch.chdir(tmp_path)
    sides = {"stays": partial(os.stat, "there"), "moves": partial(os.stat, "file")}
    times = in_turn_apart(sides, 3, first={"moves": partial(os.chdir, "there")})
    assert {name: len(seconds) for name, seconds in times.items()} == {"stays": 3, "moves": 3}
    with pytest.raises(FileNotFoundError):
        in_turn_apart(sides, 1)


def test_lasting_is_the_time_of_a_part() -> None:
    one, two = lasting({"one": [2.0, 2.0], "two": [9.0, 9.0]}, "one", "ms", 1e3, {"one": 10, "two": 30})
    assert (one.value, one.ratio) == (pytest.approx(200), 1.0)
    assert (two.value, two.unit, two.ratio) == (pytest.approx(300), "ms", pytest.approx(1.5))


def by_hand(model: ScoreModel, sigmas: Tensor) -> Callable[[Tensor], Tensor]:
    def draw(x: Tensor) -> Tensor:
        for t, s in pairwise(sigmas):
            x = x + (s - t) / t * (x - model.denoise(x, t))
        return x

    return draw


def test_only_samplers_that_draw_the_same_are_compared() -> None:
    model = Exact(Gaussian([1.0, -2.0], 0.25), sampling.PROCESS)
    euler, heun = partial(sampling.ours, Euler()), partial(sampling.ours, Heun())
    same, _ = libraries.available(sampling.starting({"ours": euler, "by hand": by_hand}, model, (5, 2), 6))
    sampling.check(same)
    other, _ = libraries.available(sampling.starting({"ours": euler, "heun": heun}, model, (5, 2), 6))
    with pytest.raises(AssertionError, match="heun and ours draw differently"):
        sampling.check(other)


@pytest.mark.parametrize(
    "library",
    [pytest.param(each, marks=pytest.mark.slow if each == "diffusers" else ()) for each in libraries.LIBRARIES],
)
def test_what_is_measured_of_a_library_does_what_it_should(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training, networks):
        monkeypatch.setattr(module, "BATCH", 2)
    missing = samplers_reach_the_data(library) + steps_train(library, monkeypatch) + networks_are_of_one_size(library)
    if missing:
        pytest.skip(missing[0].what)


def of(library: str, sides: dict[str, Any]) -> dict[str, Any]:
    return {name: side for name, side in sides.items() if name.startswith(f"{library}, ")}


def samplers_reach_the_data(library: str) -> list[Note]:
    model, methods = Exact(Gaussian([0.5, -0.5], 1e-4), sampling.PROCESS), of(library, sampling.EULER | sampling.HEUN)
    draws, missing = libraries.available(sampling.starting(methods, model, (6, 2), 20))
    for draw in draws.values():
        torch.testing.assert_close(draw(), torch.tensor([[0.5, -0.5]]).expand(6, 2), rtol=0, atol=0.1)
    assert draws or missing
    return missing


def steps_train(library: str, monkeypatch: pytest.MonkeyPatch) -> list[Note]:
    used = UNet(1, 28)
    before = [p.detach().clone() for p in used.parameters()]
    monkeypatch.setattr(training, "network", lambda: used)
    sides = of(library, training.SIDES) if library != "scorefield" else {}  # ours is the training suite's
    built, missing = libraries.available(sides)
    for step in built.values():
        losses = [step() for _ in range(2)]
        assert min(losses) > 0
        assert any(not torch.equal(p, q) for p, q in zip(before, used.parameters(), strict=True))
    return missing


def networks_are_of_one_size(library: str) -> list[Note]:
    built, missing = libraries.available(of(library, networks.NETWORKS))
    for net in built.values():
        assert 1.05 < net.millions < 1.25
        x = torch.randn(2, 1, 28, 28)
        assert net(x, torch.tensor([0.2, 0.7])).shape == x.shape
        before = [p.detach().clone() for p in net.parameters()]
        networks.trained(net)()
        assert any(not torch.equal(p, q) for p, q in zip(before, net.parameters(), strict=True))
        assert networks.called(net)().shape == x.shape
    return missing


HUNGRY = "def step(mebibytes):\n    return lambda: len(b'x' * (mebibytes << 20))\n"


def test_peak_memory_is_that_of_the_steps_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hungry.py").write_text(HUNGRY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    held = b"x" * (512 << 20)  # a child's ru_maxrss would start here
    small, large = (memory.row("a", "hungry:step", n) for n in (10, 200))
    assert len(held) == 512 << 20
    assert isinstance(small, Row)
    assert isinstance(large, Row)
    assert (small.what, small.unit) == ("a: peak memory", "MiB")
    assert small.value < 512
    assert large.value - small.value == pytest.approx(190, abs=20)
    assert memory.row("a", "hungry:step", 9 << 10) == Note("a: more than 8 GiB")
    with pytest.raises(RuntimeError, match=r"(?s)hungry:step.*TypeError"):
        memory.row("a", "hungry:step", "many")


def test_only_log_likelihoods_that_are_right_are_compared() -> None:
    def wrong(model: ScoreModel, x: Tensor) -> likelihood.Found:
        return likelihood.Found(likelihood.ours(1, model, x).log_prob + 0.05, 0.0)

    with pytest.raises(AssertionError, match="wrong does not find the log-density"):
        likelihood.check({"wrong": wrong})
    methods, missing = libraries.available(likelihood.METHODS)
    likelihood.check(methods)
    if missing:
        pytest.skip(missing[0].what)


def test_slopes_are_counted_alike_however_many_vectors_each_has() -> None:
    model, x = Exact(Gaussian([1.0, -2.0], 0.25), likelihood.PROCESS), torch.randn(4, 2)
    one, exact = (likelihood.ours(probes, model, x).slopes for probes in (1, None))
    assert one == pytest.approx(exact, rel=0.1)  # not quite: the solver minds the error of each trace
    (label,) = likelihood.named({"one": partial(likelihood.ours, 1)}, model, x)
    assert label == f"one: 4 points, {one:.0f} slopes"


def test_training_ends_with_the_step_that_the_time_is_up_in(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5.0]

    def step() -> None:
        now[0] += 10

    monkeypatch.setattr(quality, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert quality.train(step, 25) == (3, 30)
    assert quality.train(step, 0) == (1, 10)


def drawing(value: float, asked: list[Tensor]) -> examples.Example:
    def draw(labels: Tensor) -> Tensor:
        asked.append(labels)
        return torch.full((len(labels), 1, 28, 28), value)

    return examples.Example(nn.Linear(3, 1), 7, 20, lambda: None, draw)


def test_digits_are_drawn_in_parts_of_every_kind_as_many_and_within_the_scale() -> None:
    asked: list[Tensor] = []
    x = quality.draw(drawing(1.2, asked), 600)
    assert torch.equal(x, torch.ones(600, 1, 28, 28))
    assert [len(labels) for labels in asked] == [250, 250, 100]
    assert torch.cat(asked).bincount().tolist() == [60] * 10


def test_every_library_has_one_entry_per_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    value = {"samples": 0.5, "error": 0.0, "real": 0.4, "times_floor": 1.25}
    measured = dict.fromkeys(("frechet_distance", "confidence", "sure", "coverage"), value)
    known = {"torch, made up": lambda: drawing(0.0, []), "gone": lambda: libraries.load("no_such_library")}
    monkeypatch.setattr(quality, "EXAMPLES", known)
    monkeypatch.setattr(quality, "quality", lambda x, n: measured if x.shape == (n, 1, 28, 28) else {})
    for budget in ("0", "0.0001", "0"):
        quality.main(["torch, made up", "gone", "--minutes", budget, "-n", "3", "--out", str(tmp_path)])
    entries = json.loads((tmp_path / "peers.json").read_text())
    assert [(e["library"], e["minutes"]) for e in entries] == [("torch, made up", 0.0001), ("torch, made up", 0.0)]
    assert entries[1] | measured | {"batch": 7, "parameters": 4, "evaluations": 20, "steps": 1, "n": 3} == entries[1]
    assert entries[1]["version"] == torch.__version__.partition("+")[0] or entries[1]["version"] == torch.__version__
    told = capsys.readouterr().out
    assert "gone: not measured, no_such_library is not installed" in told
    assert "| torch, made up | 0.0 | 3 | 1 | 0.0 | 7 | 4 | 20 |" in told
    assert "| 1.25 ± 0.00 | 0.500 | 0.500 | 0.500 |" in told


def test_examples_see_every_digit_once_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, labels = torch.arange(5, dtype=torch.uint8).expand(1, 28, 28, 5).permute(3, 0, 1, 2), torch.arange(5)
    monkeypatch.setattr(examples, "mnist", lambda: Dataset(pixels, labels, "five"))
    rounds = list(islice(examples.digits(2), 6))
    assert [len(labels) for _, labels in rounds] == [2, 2, 1] * 2
    assert all(torch.equal(pixels[:, 0, 0, 0], labels.byte()) for pixels, labels in rounds)
    assert torch.cat([labels for _, labels in rounds[:3]]).sort().values.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.slow
@pytest.mark.parametrize("library", examples.EXAMPLES)
def test_an_example_trains_and_draws_with_as_many_evaluations_as_it_says(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (2,))

    monkeypatch.setattr(examples, "digits", two)
    built, missing = libraries.available({library: examples.EXAMPLES[library]})
    if missing:
        pytest.skip(missing[0].what)
    example = built[library]
    before = [p.detach().clone() for p in example.net.parameters()]
    for _ in range(2):
        example.step()
    assert any(not torch.equal(p, q) for p, q in zip(before, example.net.parameters(), strict=True))
    calls: Counter[int] = Counter()
    hook = register_module_forward_hook(lambda module, given, returned: calls.update([id(module)]))
    x = example.draw(torch.tensor([3, 8]))
    hook.remove()
    assert x.shape == (2, 1, 28, 28)
    assert x.isfinite().all()
    assert Counter(calls.values()).most_common(1)[0][0] == example.evaluations
