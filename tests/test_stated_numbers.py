"""Times and sizes that pages state in words are those of stored results or of the code; no page states one that nothing gives."""

import json
import re
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml

from scorefield.app.guard import LIMIT
from scorefield.app.jobs import Jobs
from scorefield.cli.quickstart import _farewell
from scorefield.data.array_files import _MAPPED

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(page for page in (ROOT / "docs").rglob("*.md") if "_generated" not in page.parts)]
WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 40: "forty"}
NUMBERS = "|".join(
    ("[0-9][0-9.,]*", "an?", "half", *(f"{word}s?" for word in (*WORDS.values(), "seven", "ten", "twenty")))
)
QUANTITY = re.compile(rf"\b(?:{NUMBERS})[ -](?:seconds?|minutes?|hours?|[KMG]i?B)\b")


def stored(path: str) -> Any:
    return json.loads((ROOT / "results" / path).read_text(encoding="utf-8"))


MNIST = stored("mnist/evaluation.json")
GPU = f"{WORDS[round(MNIST['training']['seconds'] / 60)]} minutes"


def pace(name: str, **changes: dict[str, Any]) -> float:
    """Return the seconds of a training step on two cores that the study of training times found, for the steps of a recipe."""
    recipe = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
    same = [row for row in stored("minutes/results.json") if row["changes"] == changes]
    return recipe["train"]["steps"] * sum(row["seconds"] for row in same) / sum(row["steps"] for row in same)


SMALL = f"{WORDS[round(pace('mnist-small', network={'width': 64}, train={'learning_rate': 0.004}) / 60)]} minutes"
LARGE = f"{WORDS[round(pace('mnist', train={'precision': 'fp32'}) / 3600)]} hours"
QUEUE = signature(Jobs).parameters
STATED = {
    "README.md": [
        f"network of {MNIST['training']['parameters'] / 1e6:.1f} million parameters trained in {GPU} on a GPU",
        f"two CPU cores train one of its size in {LARGE}",
        f"in {SMALL} on two cores",
    ],
    "docs/howto/command_line.md": [f"of your own in {SMALL}, on two cores", f"a larger one, in {LARGE}"],
    "docs/howto/own_data.md": [
        f"{SMALL} on two cores",
        f"`mnist` takes {LARGE}",
        f"more than {_MAPPED // 2**20} MiB\nstays in its file",
    ],
    "docs/howto/several_gpus.md": [f"on one GPU in {GPU}", "ends the job within a minute"],
    "docs/howto/few_steps.md": [f"that of `mnist` does so {WORDS[MNIST['evaluations_per_sample']]} times per digit"],
    "docs/howto/demo.md": [
        f"bodies above {LIMIT // 2**20} MiB",
        f"up to {QUEUE['most'].default - 1} wait",
        f"after {WORDS[QUEUE['patience'].default / 60]} minutes",
    ],
    "configs/mnist-gpu.yaml": [f"in {GPU} on one GPU"],
    "configs/mnist-small.yaml": [f"in {SMALL} on two CPU cores"],
    "configs/mnist.yaml": [f"on two CPU cores, in {LARGE}"],
}


@pytest.mark.parametrize("page", STATED)
def test_a_number_in_words_is_the_measured_one(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [phrase for phrase in STATED[page] if phrase not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_states_a_time_or_size_that_nothing_gives(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for phrase in STATED.get(str(page.relative_to(ROOT)), []):
        text = text.replace(phrase, "")
    assert QUANTITY.findall(text) == []


def test_quickstart_says_how_long_the_recipes_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _farewell(tmp_path, {"seconds": 1.0})
    said = capsys.readouterr().out
    assert f"{SMALL} on two idle cores" in said
    assert f"--config mnist takes {LARGE}" in said
