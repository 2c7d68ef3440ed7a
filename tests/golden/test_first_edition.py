"""What the first edition drew, trained and built, later editions still do: same seeds, same samples; stored runs load.

An array may differ from the golden one, row by row and relative to the row's largest number, by

    float32    1e-6: eight units in the last place, what another order of the same operations changes
    float64    1e-9: closed forms, and networks in double precision that began where they were told
    counts     nothing; the evaluations of an adaptive solver, whose steps a last place decides, one step: six

or by ten times what the arithmetic of other processors changed when the files were made (``rounding.json``), where that is more: chaos, a
step size chosen by a tolerance, or a step between two levels of a ladder can make a last place into 1e-4. Any change of meaning, such as
another draw of noise, a time of the grid or a term of a step, is larger by far in the rows in double precision, which have no such excuse.
On one machine an unchanged library reproduces the files bit for bit.

A shipped model that was trained anew since draws other samples: ``retrained.npz`` has what it drew when it was shipped, by the same calls.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from . import calls
from .files import FOLDER, difference, read_arrays, read_json

RETRAINED = {"mnist", "mnist-class"}
NUMBERS, ROUNDING = read_arrays("numbers.npz") | read_arrays("retrained.npz"), read_json("rounding.json")
GROUPS = calls.groups({name: torch.tensor(value) for name, value in read_arrays("times.npz").items()})
CONFIGS, STATES, RESOLVED = read_json("configs.json"), read_json("shipped.json"), read_json("shipped_resolved.json")
LONG = {"shipped/mnist-ladder", *(f"{name}/seeds" for name in calls.PLANAR[1:])}
LONG |= {f"{name}/{('seed', 'init')[place % 2]}" for place, name in enumerate(calls.PLANAR)}
LONG |= {f"exact-{name}/init" for name in [*calls.PROCESSES][::2]}
"""Groups for the slow tests. Of a seed for each sample, quick is one model; each is drawn from in one precision, each process in double."""
BASE = {"float32": 1e-6, "float64": 1e-9, "int64": 0.0}


@pytest.fixture(autouse=True)
def as_it_was_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, and the folder to which the stored configurations' paths are relative."""
    monkeypatch.chdir(FOLDER)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tolerance(key: str) -> float:
    """Return by how much an array may differ from the golden one."""
    if key.endswith("AdaptiveODE.evaluations"):
        return 6 / NUMBERS[key].item()
    return max(BASE[str(NUMBERS[key].dtype)], 10 * ROUNDING.get(key, 0.0))


def test_no_golden_number_is_left_out() -> None:
    assert {key.partition("|")[0] for key in NUMBERS} == set(GROUPS)


@pytest.mark.promise("C4")
@pytest.mark.parametrize(
    "group", [pytest.param(each, marks=pytest.mark.slow if each in LONG else ()) for each in GROUPS]
)
def test_numbers_are_those_of_the_first_edition(group: str) -> None:
    got = {f"{group}|{name}": value for name, value in GROUPS[group]().items()}
    assert set(got) == {key for key in NUMBERS if key.startswith(f"{group}|")}
    found = {key: difference(value, NUMBERS[key]) for key, value in got.items()}
    assert not {key: f"{value:.1e}" for key, value in found.items() if not value <= tolerance(key)}


def test_the_command_writes_what_was_drawn(tmp_path: Path) -> None:
    written, golden = calls.sample_command("digits", tmp_path / "x.npz"), NUMBERS["shipped/digits|x"]
    assert difference(written.clip(0, 1), golden.clip(0, 1)) <= tolerance("shipped/digits|x")


def test_recipes_resolve_to_the_same_configurations() -> None:
    """The recipes are written in this edition's form, and mean what those of the first edition meant.

    But for how the small one draws: along a fitted grid, with half the guide (results/elsewhere.json); and `mnist` trains a network of its
    decoder at the end, and `mnist-class` starts from it.
    """
    got = calls.resolved_configs()
    expected = {name: calls.resolved(values) for name, values in CONFIGS.items()}
    assert got["mnist-small"].pop("sampling") != expected["mnist-small"].pop("sampling")
    assert got["mnist-small"]["guide"].pop("weight") == expected["mnist-small"]["guide"].pop("weight") / 2
    assert got["mnist"]["train"].pop("decoder_steps") > expected["mnist"]["train"].pop("decoder_steps") == 0
    assert got.pop("mnist-class")["pretrained"] == "mnist"
    assert expected.pop("mnist-class")
    assert {name: got[name] for name in expected} == expected


def test_settings_left_out_have_the_same_values() -> None:
    golden = {name: calls.completed(name, values) for name, values in read_json("defaults.json").items()}
    got = calls.defaults()
    # The one that changed: a ladder of which only the number of levels is said reaches from end to end of its process.
    assert got.pop("objective/multilevel_dsm") != golden.pop("objective/multilevel_dsm")
    assert got == golden


def test_configurations_of_shipped_models_are_read_as_before() -> None:
    got = calls.shipped_configs()
    assert all(got[name] == state for name, state in STATES.items() if name not in RETRAINED)
    for name, state in STATES.items():
        assert calls.resolved(state["state"]["config"]) == calls.resolved(RESOLVED[name])


def test_configurations_build_the_same_samplers_and_times() -> None:
    got = {f"configs/{name}": calls.sampling_of(values) for name, values in CONFIGS.items()}
    got |= {f"shipped/{name}": calls.sampling_of(state["state"]["config"]) for name, state in STATES.items()}
    got |= {f"kinds/{name}": built for name, built in calls.sampling_kinds().items()}
    golden = read_json("sampling.json")
    assert set(got) == set(golden)
    for name, built in got.items():
        assert (built.kind, built.sampler) == (golden[name]["kind"], golden[name]["sampler"])
        assert difference(np.array(built.times), np.array(golden[name]["times"])) <= BASE["float64"], name


def test_an_interrupted_run_goes_on_as_it_would_have(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(FOLDER / "interrupted", run)
    assert calls.resume(run) == 0
    got, golden = (calls.records(file) for file in (run / "metrics.jsonl", FOLDER / "interrupted.jsonl"))
    assert len(golden) == 10
    assert difference(got, golden) <= BASE["float32"]
