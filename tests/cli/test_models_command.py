"""``scorefield models`` lists what can be loaded by name, as it is."""

import json

from scorefield.cli import main
from scorefield.pretrained import load_trained, shipped_models


def test_it_lists_every_shipped_model_as_it_is(capsys):
    assert main(["models", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(found) == list(shipped_models())
    for name, entry in found.items():
        assert tuple(entry["event"]) == load_trained(name).event
        assert entry["weights"] > 1000
    assert (found["digits"]["data"], found["mnist-judge"]["kind"]) == ("digits", "classifier")


def test_people_get_a_line_each(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_models())
    assert "8 × 8" in lines[0]
