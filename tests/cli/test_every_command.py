"""What holds for every command.

G8: paths may have spaces and letters of all kinds. G4: its output is plain, and JSON where asked for. E10: it asks no network, for which
tests/isolation.py fails it. E12: what it writes names neither folders nor users of this machine.
"""

import json
import re
import zipfile
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from isolation import HOME
from scorefield.cli import main
from scorefield.pretrained import load_model, save_pretrained

SECRETS = {"USER": "canary-user", "LOGNAME": "canary-user", "HF_TOKEN": "hf_canarytoken", "MY_PASSWORD": "canary-word"}
FOLDER = "mes données ∇"
TINY = ["--network.width", "8", "--network.depth", "1", "--process.sigma_max", "2", "--device", "cpu", "--fast-dev-run"]
DRAW = ["-n", "2", "--steps", "3", "--device", "cpu", "--json"]

COMMANDS = {
    "train": ["--data.kind", "digits", *TINY, "--run", "un réseau", "--comment", "né le 27"],
    "sample": ["un réseau", *DRAW, "--out", "é à.png"],
    "inpaint": ["un réseau", *DRAW, "--image", "0", "--mask", "left", "--out", "caché ∇.png"],
    "solve": ["un réseau", *DRAW, "--image", "0", "--problem", "downsample:2", "--out", "résolu.png"],
    "impute": ["un tableau", "des trous.csv", "--device", "cpu", "--json", "--out", "comblé ∇.csv"],
    "evaluate": ["un réseau", *DRAW, "-n", "20", "--out", "mesuré à nouveau"],
    "likelihood": ["un réseau", "-n", "2", "--device", "cpu", "--json"],
    "compress": ["digits", "-n", "1", "--steps", "2", "--device", "cpu", "--json", "--out", "serré.bits"],
    "race": ["un réseau", "-n", "2", "--device", "cpu", "--json", "--out", "course à pied"],
    "tune": ["un réseau", "-n", "100", "--device", "cpu", "--json", "--out", "accordé"],
    "suggest": ["digits", "--json", "--out", "conseil né.yaml"],
    "convert": ["un réseau", "--to", "hub", "--out", "à publier"],
    "toy": ["circle", "--fast-dev-run", "--out", "jouet né"],
    "quickstart": ["--steps", "2", "--run", "premier né"],
    "demo": ["un réseau"],
    "reproduce": ["--list"],
    "doctor": ["--json"],
}
SLOW = ("toy", "quickstart", "likelihood", "evaluate", "tune", "race")
EVERY = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in COMMANDS]


class Answer(NamedTuple):
    code: int
    out: str
    err: str
    folder: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model, made there."""
    folder = tmp_path_factory.mktemp("place") / FOLDER
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", *COMMANDS["train"]]) == 0
        rows = np.random.default_rng(0).normal(size=(20, 2))
        np.savetxt("tableau.csv", rows, delimiter=",", header="poids,âge", comments="", encoding="utf-8")
        Path("des trous.csv").write_text("nom,poids,âge\né,,1\n", encoding="utf-8")
        table = ["--data.path", "tableau.csv", "--device", "cpu", "--fast-dev-run", "--run", "un tableau"]
        assert main(["train", *table]) == 0
    return folder


def test_there_is_no_other_command():
    parser = import_module("scorefield.cli.main").build_parser()
    assert set(parser._subcommands_action.choices) == set(COMMANDS)


@pytest.fixture
def answer(request, capsys, place: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Run a command in that folder, by relative names, where environment and home hold secrets."""
    monkeypatch.chdir(place)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)  # which would serve until Ctrl-C
    for evaluations in ("_EVALUATIONS", "_MANY"):  # a short race
        monkeypatch.setattr(f"scorefield.cli.race.{evaluations}", (6, 9))
    arguments = COMMANDS[request.param]
    if request.param == "train":
        arguments = [*arguments, "--run", "encore né"]
    code = main([request.param, *arguments])
    out, err = capsys.readouterr()
    return Answer(code, out, err, place)


@pytest.mark.promise("G8", "E10", "E12")
@pytest.mark.promise("G4")
@pytest.mark.parametrize("answer", EVERY, indirect=True)
def test_every_command_in_a_folder_of_spaces_tells_no_secrets(answer: Answer):
    assert answer.code == 0, answer.err
    assert not re.search(r"[\x1b\r]", answer.out + answer.err)
    assert "Traceback" not in answer.err
    if answer.out.startswith("{"):
        json.loads(answer.out)
    files = [path for path in answer.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        for text in contents(path):
            for secret in (str(answer.folder.parent), str(HOME), str(Path.home()), *SECRETS.values()):
                assert secret.encode() not in text, f"{path.name} tells {secret}"


def contents(path: Path) -> list[bytes]:
    """Return the bytes of a file, and those packed within them."""
    data = path.read_bytes()
    found = [data]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    if path.suffix in (".png", ".gif"):
        with Image.open(path) as image:
            found.append(repr(image.info).encode())
    return found


@pytest.mark.promise("E12")
def test_a_published_model_does_not_tell_where_its_data_were(place: Path, tmp_path: Path):
    secret = tmp_path / "canary-user"
    secret.mkdir()
    np.save(secret / "données.npy", np.random.default_rng(0).normal(size=(64, 2)))
    data = ["--data.kind", "path", "--data.path", str(secret / "données.npy"), "--data-dir", str(secret)]
    network = ["--network.kind", "mlp", "--network.width", "8", "--device", "cpu"]
    assert main(["train", *data, *network, "--fast-dev-run", "--run", str(tmp_path / "run")]) == 0
    save_pretrained(tmp_path / "run", tmp_path / "published")
    for path in (tmp_path / "published").iterdir():
        assert b"canary-user" not in path.read_bytes(), path.name
    assert load_model(str(tmp_path / "published")).config.data.path == "données.npy"
