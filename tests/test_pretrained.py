"""Models for others: what is saved loads again, the card says what it is, and only hf: names go to the network."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from huggingface_hub.errors import LocalEntryNotFoundError

from scorefield import CheckpointError, ConfigError, from_pretrained, load_model, save_pretrained
from scorefield.cli import main
from scorefield.config import RunConfig, parse_yaml
from scorefield.loaded import LoadedModel

TINY = ["--data.kind", "digits", "--network.width", "8", "--network.depth", "1", "--device", "cpu", "--fast-dev-run"]
RESULTS = {"judge": {"confidence": {"value": 0.93281, "error": 0.0031}, "class_shares": [0.25, 0.75]}, "n": 2000}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", *TINY, "--comment", "a test | of cards", "--run", str(path)]) == 0
    return path


@pytest.fixture
def saved(run: Path, tmp_path: Path) -> Path:
    save_pretrained(run, tmp_path / "saved", evaluation=RESULTS, license_id="apache-2.0")
    return tmp_path / "saved"


Hub = Callable[..., None]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """Make the Hub answer with a folder or an error, to the calls listed in ``asked``; until told, no call is allowed.

    The working folder is empty, for a folder there comes before a repository of its name.
    """
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))

    def answer(folder: Path | Exception, asked: list[tuple[str, object]] | None = None) -> None:
        def snapshot_download(
            repository: str, *, revision: str | None, allow_patterns: list[str], tqdm_class: type
        ) -> str:
            assert tqdm_class(total=1, name="files").disable  # where errors go is no terminal here
            assert not any("py" in pattern or "bin" in pattern or pattern == "*" for pattern in allow_patterns)
            if asked is None:
                pytest.fail(f"the network was asked for {repository}")
            asked.append((repository, revision))
            if isinstance(folder, Exception):
                raise folder
            return str(folder)

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)

    answer(Path(), None)
    return answer


def linked(folder: Path, blobs: Path) -> Path:
    """Return a copy of a folder as the Hub's cache keeps it: every file a link."""
    shutil.copytree(folder, blobs)
    snapshot = blobs.parent / "snapshot"
    snapshot.mkdir()
    for file in blobs.iterdir():
        (snapshot / file.name).symlink_to(file)
    return snapshot


def same(a: LoadedModel, b: LoadedModel) -> bool:
    ours, theirs = a.model.state_dict(), b.model.state_dict()
    return (
        a.config == b.config
        and a.event == b.event
        and ours.keys() == theirs.keys()
        and all(torch.equal(ours[name], theirs[name]) for name in ours)
    )


def test_what_is_saved_is_the_run_and_never_touches_the_network(run: Path, saved: Path, hub: Hub) -> None:
    assert {p.name for p in saved.iterdir()} == {
        "README.md",
        "decoder.safetensors",
        "ema.safetensors",
        "manifest.json",
        "moments.safetensors",
        "state.json",
    }
    assert same(from_pretrained(saved), load_model(str(run)))
    assert same(load_model(str(saved)), load_model(str(run)))


def test_the_shipped_model_and_a_hub_model_are_saved_alike(saved: Path, hub: Hub, tmp_path: Path) -> None:
    hub(linked(saved, tmp_path / "blobs"), [])
    save_pretrained("hf:org/name", tmp_path / "again")
    for name in ("ema.safetensors", "state.json", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
    save_pretrained("mnist", tmp_path / "mnist")
    assert ModelCard.load(tmp_path / "mnist" / "README.md").data.to_dict()["datasets"] == ["mnist"]


def test_a_hub_model_is_the_repository_asked_for_through_the_links_of_the_cache(
    run: Path, saved: Path, hub: Hub, tmp_path: Path
) -> None:
    asked: list[tuple[str, object]] = []
    snapshot = linked(saved, tmp_path / "blobs")
    hub(snapshot, asked)
    expected = load_model(str(run))
    assert same(from_pretrained("org/some.model"), expected)
    assert same(from_pretrained("org/name", revision="v1.0"), expected)
    assert same(load_model("hf:org/name@refs/pr/1"), expected)
    assert same(from_pretrained("hf:org/name"), expected)
    assert asked == [("org/some.model", None), ("org/name", "v1.0"), ("org/name", "refs/pr/1"), ("org/name", None)]
    assert same(load_model(str(snapshot)), expected)
    out = tmp_path / "x.npz"
    assert main(["sample", "hf:org/name", "-n", "2", "--steps", "3", "--out", str(out)]) == 0


def test_a_folder_comes_before_a_repository_of_its_name(saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved.parent.parent)
    from_pretrained(f"{saved.parent.name}/saved")


@pytest.mark.parametrize("name", ["./runs/x", "/no/such", "runs", "a/b/c", "~/x", "../x", "org/..", "a\\b"])
def test_from_pretrained_asks_nobody_for_what_looks_like_a_path(name: str, hub: Hub) -> None:
    with pytest.raises(ConfigError, match="expected a folder that exists"):
        from_pretrained(name)


def test_load_model_and_sample_ask_nobody_for_a_mistyped_path(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="hf:ORG/NAME"):
        load_model("runs/mnits")
    assert main(["sample", "runs/mnits"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["hf:", "hf:name", "hf:a/b/c", "hf:../b", "hf:a/b@", "hf:a/b@../x", "hf:a/b@v1/../x", "hf:a/é"]
)
def test_names_that_are_no_repositories_are_refused(name: str, hub: Hub) -> None:
    with pytest.raises(ConfigError, match="hf:ORG/NAME"):
        load_model(name)


def test_a_repository_that_cannot_be_had_is_one_clear_line(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub(LocalEntryNotFoundError("Cannot find a cached snapshot.\nSet HF_HUB_OFFLINE=0"), [])
    assert main(["sample", "hf:org/name"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(
        word in error for word in ("hf:org/name", "Cannot find a cached snapshot", "HF_HUB_OFFLINE", "hf download")
    )


def test_offline_for_real_is_that_line_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Hub's own client, told to stay offline, with an empty cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(ConfigError, match=r"hf:org/name.*LocalEntryNotFoundError"):
        load_model("hf:org/name")


def test_a_repository_of_something_else_is_refused(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    hub(tmp_path, [])
    with pytest.raises(ConfigError, match=r"manifest\.json"):
        load_model("hf:org/name")


def test_damage_on_the_way_is_seen(saved: Path, hub: Hub, tmp_path: Path) -> None:
    snapshot = linked(saved, tmp_path / "blobs")
    weights = tmp_path / "blobs" / "ema.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    hub(snapshot, [])
    with pytest.raises(CheckpointError, match="SHA-256"):
        from_pretrained("org/name")


def test_the_card_says_what_the_model_is(saved: Path) -> None:
    card = ModelCard.load(saved / "README.md")
    head = card.data.to_dict()
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == "scorefield"
    assert head["pipeline_tag"] == "unconditional-image-generation"
    loaded = load_model(str(saved))
    parameters = sum(p.numel() for p in loaded.model.parameters())
    assert loaded.seconds is not None
    assert loaded.seconds > 0
    for fact in (
        *(
            "a test | of cards",
            f"{parameters:,} parameters",
            f"4 steps of 16, seed 0, {loaded.seconds / 60:.1f} minutes",
            "kind digits",
            "1×8×8",
        ),
        *("| judge: confidence | 0.9328 ± 0.0031 |", "| judge: class shares | 0.25, 0.75 |", "| n | 2000 |"),
        *('from_pretrained("hf:ORG/NAME")', "scorefield sample hf:ORG/NAME"),
    ):
        assert fact in card.text, fact
    text = card.text.split("```yaml\n")[1].split("```")[0]
    assert RunConfig.model_validate(parse_yaml(text, "card")) == loaded.config


def test_the_cards_program_runs(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = ModelCard.load(saved / "README.md").text.split("```python\n")[1].split("```")[0]
    values: dict[str, object] = {}
    exec(program.replace("64", "2").replace("hf:ORG/NAME", str(saved)), values)  # noqa: S102
    drawn = values["drawn"]
    assert drawn.x.shape == (2, 1, 8, 8)  # pyright: ignore


def test_the_card_of_a_classifier_says_how_to_read_with_it(tmp_path: Path) -> None:
    save_pretrained("mnist-judge", tmp_path / "judge")
    card = ModelCard.load(tmp_path / "judge" / "README.md")
    assert card.data.to_dict()["pipeline_tag"] == "image-classification"
    assert "A classifier of noisy data" in card.text
    program = card.text.split("```python\n")[1].split("```")[0]
    exec(program.replace("hf:ORG/NAME", str(tmp_path / "judge")), values := dict[str, object]())  # noqa: S102
    assert values["judge"].probabilities(torch.zeros(2, 1, 28, 28)).shape == (2, 10)  # pyright: ignore


def test_no_results_no_table(run: Path, tmp_path: Path) -> None:
    save_pretrained(run, tmp_path / "bare")
    assert "Evaluation" not in (tmp_path / "bare" / "README.md").read_text()


def test_a_folder_that_exists_is_not_overwritten(run: Path, saved: Path) -> None:
    before = {p: p.read_bytes() for p in saved.iterdir()}
    with pytest.raises(CheckpointError, match="exists already"):
        save_pretrained(run, saved)
    assert before == {p: p.read_bytes() for p in saved.iterdir()}


def test_what_is_broken_off_leaves_no_folder_that_stands_in_the_way(run: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scorefield.pretrained.model_card", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_pretrained(run, tmp_path / "hub")
    assert not list(tmp_path.iterdir())
    save_pretrained(run, tmp_path / "hub")
    assert (tmp_path / "hub" / "README.md").is_file()


def test_the_command_line_saves_too(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps(RESULTS))
    given = ["--evaluation", str(tmp_path / "evaluation.json")]
    assert main(["convert", str(run), "--to", "hub", "--out", str(tmp_path / "saved"), *given]) == 0
    assert "hf upload" in capsys.readouterr().out
    assert "0.9328 ± 0.0031" in (tmp_path / "saved" / "README.md").read_text()
    (tmp_path / "evaluation.json").write_text("[1]")
    assert main(["convert", str(run), "--to", "hub", "--out", str(tmp_path / "other"), *given]) == 2
    assert not (tmp_path / "other").exists()
    assert "JSON object" in capsys.readouterr().err
