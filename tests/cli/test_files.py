"""Files of a command: what is there stays until all that replaces it is written, and what is read is not written over."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from full_disk import full_disk
from scorefield._replacing import replacing
from scorefield.cli import main
from scorefield.cli.console import open_streams
from scorefield.cli.files import write_text

QUICK = ["--steps", "2", "--device", "cpu"]
PROBLEM = [*QUICK, "-n", "1", "--problem", "downsample:2", "--method", "dps"]
OURS = b"what took hours\n"
LARGER = r"allow larger files \(ulimit -f\), and run the command again"


@pytest.fixture(autouse=True)
def images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)
    np.save("images.npy", pixels[None, None])
    Image.fromarray(pixels).save("image.png")


@pytest.mark.parametrize(
    "command",
    [
        *(["sample", "digits", *QUICK, "-n", "4", "--out", f"x{kind}"] for kind in (".png", ".npz", ".gif", ".svg")),
        *(["solve", "digits", *PROBLEM, "--image", "image.png", "--out", f"x{kind}"] for kind in (".png", ".npz")),
        ["compress", "digits", "--images", "images.npy", *QUICK, "--out", "x.bits"],
        ["compress", "digits", "--decode", "a.bits", "--device", "cpu", "--out", "x.npy"],
        ["suggest", "digits", "--out", "x.yaml"],
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_full_disk_is_a_sentence_and_what_was_there_stays(command: list[str], capsys) -> None:
    if "a.bits" in command:
        assert main(["compress", "digits", "--images", "images.npy", *QUICK, "--out", "a.bits"]) == 0
    out, files = Path(command[-1]), sorted([*os.listdir(), command[-1]])
    out.write_bytes(OURS)
    with full_disk():
        code = main(command)
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    if command[:2] == ["compress", "digits"] and out.suffix == ".bits":  # which keeps what it coded until the end
        assert re.fullmatch(
            rf"scorefield: x\.bits\.parts-\w+/coded-000000\.safetensors: File too large; {LARGER}", last
        )
    else:
        why = "File too large; allow larger files (ulimit -f)"
        assert last == f"scorefield: {out}: cannot be written: {why}, or choose another --out"
    assert out.read_bytes() == OURS
    assert sorted(os.listdir()) == files


@pytest.mark.parametrize(
    "command",
    [
        ["solve", "digits", *PROBLEM, "--image", "image.png", "--out", "./image.png"],
        ["inpaint", "digits", "--image", "0", "--mask", "image.png", "--out", "linked.png"],
        ["compress", "digits", "--images", "images.npy", "--out", "images.npy"],
        ["compress", "digits", "--decode", "images.npy", "--out", "images.npy"],
        ["suggest", "images.npy", "--out", "images.npy"],
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_what_is_read_is_not_written_over(command: list[str], capsys) -> None:
    Path("linked.png").symlink_to("image.png")
    before = [Path(name).read_bytes() for name in ("image.png", "images.npy")]
    assert main(command) == 2
    assert "is read by this command" in capsys.readouterr().err
    assert [Path(name).read_bytes() for name in ("image.png", "images.npy")] == before


def test_a_page_of_somebody_else_is_not_written_over(capsys) -> None:
    Path("README.md").write_bytes(OURS)
    assert main(["evaluate", "digits", "-n", "20", "--out", ".", "--device", "cpu"]) == 2
    assert "holds a README.md of its own, which would be lost" in capsys.readouterr().err
    assert Path("README.md").read_bytes() == OURS


def test_what_stands_where_a_run_begins_is_kept(capsys) -> None:
    Path("config.yaml").write_text("# why\ndata: {kind: digits}\nnetwork: {kind: mlp, width: 8}\n")
    Path("metrics.jsonl").write_text('{"step": 9}\n')
    assert main(["train", "--config", "config.yaml", "--run", ".", "--device", "cpu", "--fast-dev-run"]) == 0
    assert capsys.readouterr().err.count("was there before this run") == 2
    assert Path("config.yaml.before").read_text().startswith("# why")
    assert Path("metrics.jsonl.before").read_text() == '{"step": 9}\n'
    resume = ["--resume", "--device", "cpu", "--train.steps", "5", "--override"]
    assert main(["train", "--run", ".", *resume]) == 0
    assert "before this run" not in capsys.readouterr().err
    assert not Path("config.yaml.before2").exists()


def test_a_full_disk_names_the_part_of_long_work_that_it_did_not_take(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scorefield.cli.console.abandon_output", lambda: None)
    with full_disk():
        code = main(["sample", "digits", *QUICK, "-n", "4", "--batch-size", "2", "--out", "x.npz"])
    assert code == 1
    assert re.search(
        rf"scorefield: x\.npz\.parts-\w+/drawn-000000\.safetensors: File too large; {LARGER}\n$",
        capsys.readouterr().err,
    )
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_a_name_that_is_too_long_is_refused_before_anything_is_read(capsys) -> None:
    assert main(["convert", "digits", "--to", "hub", "--out", "x" * 256]) == 2
    assert "at most 255 bytes" in capsys.readouterr().err


def test_nobody_waits_for_the_reader_of_a_pipe(capsys) -> None:
    os.mkfifo("x.png")
    assert main(["sample", "digits", "--out", "x.png"]) == 2
    assert "is a pipe" in capsys.readouterr().err


def test_one_extension_is_named_as_one(capsys) -> None:
    assert main(["compress", "digits", "--decode", "a.bits", "--out", "x.png"]) == 2
    assert "the extension must be .npy\n" in capsys.readouterr().err


def test_a_file_keeps_its_rights_and_a_link_leads_where_it_led() -> None:
    Path("real").mkdir()
    Path("real/x.txt").write_text("old")
    Path("real/x.txt").chmod(0o640)
    Path("x.txt").symlink_to("real/x.txt")
    with replacing("x.txt") as place:
        assert Path("x.txt").read_text() == "old"
        place.write_text("new")
    assert Path("x.txt").is_symlink()
    assert Path("real/x.txt").read_text() == "new"
    assert Path("real/x.txt").stat().st_mode & 0o777 == 0o640
    assert os.listdir("real") == ["x.txt"]


def test_of_a_folder_there_is_all_or_nothing() -> None:
    def write(last: str) -> None:
        with replacing("made") as place:
            place.mkdir()
            (place / "first").write_text("first")
            if not last:
                raise OSError("full")
            (place / "last").write_text(last)

    with pytest.raises(OSError, match="full"):
        write("")
    assert not [name for name in os.listdir() if name not in ("image.png", "images.npy")]
    write("last")
    assert sorted(os.listdir("made")) == ["first", "last"]


WRITING = """
import sys
from scorefield._replacing import replacing
with replacing("made") as place:
    place.mkdir()
    (place / "first").touch()
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else() -> None:
    Path("elsewhere").mkdir()
    Path(".scorefield-unfinished-12345678").symlink_to("elsewhere")
    Path(".scorefield-unfinished-notes").mkdir()
    kept = set(os.listdir())
    started = [sys.executable, "-c", WRITING]
    writers = [
        subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in ("killed", "goes on")
    ]
    begun = [writer.stdout.readline() for writer in writers if writer.stdout is not None]
    writers[0].kill()
    writers[0].wait()
    assert (begun, len(set(os.listdir()) - kept)) == (["begun\n"] * 2, 2)
    write_text(Path("x.txt"), "next")
    left = set(os.listdir()) - kept
    writers[1].communicate("")
    assert (writers[1].returncode, len(left), "x.txt" in left) == (0, 2, True)
    assert set(os.listdir()) == kept | {"x.txt", "made"}


def test_a_device_and_a_file_in_a_closed_folder_are_written_to_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with replacing("/dev/null") as place:
        assert place == Path("/dev/null")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with replacing("x.txt") as place:
        assert place == Path("x.txt")


NAMES = ["a$_$.png", "数字.png", "a\x1b[31mb.png", os.fsdecode(b"\xff.png")]
"""Half a formula, letters that the typeface of figures lacks, a colour of terminals, bytes that are no letters."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if k % 2 else ()) for k, name in enumerate(NAMES)], ids=ascii
)
def test_a_file_may_have_any_name(name: str, capfdbinary, recwarn) -> None:
    Path("image.png").rename(name)
    assert main(["inpaint", "digits", *QUICK, "-n", "1", "--image", "0", f"--mask={name}", "--out", "x.png"]) == 0
    for n in ("1", "2"):  # at once, and in parts beside it
        assert main(["sample", "digits", *QUICK, "-n", n, "--batch-size", "1", f"--out={name}"]) == 0
    assert not recwarn
    assert name.encode(errors="backslashreplace") in capfdbinary.readouterr().out


def test_a_report_names_a_run_of_any_name() -> None:
    write_text(Path("README.md"), "run \udcff, 数")
    assert Path("README.md").read_text(encoding="utf-8") == "run \\udcff, 数"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_an_output_cannot_show_is_written_out(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell whose LC_ALL is C, or that names a file in Latin-1."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    open_streams()
    print("0.5 ± 0.1, \udcff", flush=True)
    assert written.getvalue() == "0.5 ± 0.1, \\udcff\n".encode(encoding, "backslashreplace")
