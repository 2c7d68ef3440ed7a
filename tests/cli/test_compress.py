"""scorefield compress: images to a file and back, the same bytes, told beside PNG and WebP; and what it refuses."""

import json
import lzma
from pathlib import Path

import numpy as np
import pytest

from scorefield.cli.compress import _rendered
from scorefield.cli.main import main

QUICK = ["--device", "cpu", "--json"]


def test_images_come_back_from_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, images, again = (str(tmp_path / name) for name in ("a.bits", "a.npy", "b.bits"))
    assert main(["compress", "digits", "-n", "3", "--steps", "4", *QUICK, "--out", file]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["n"] == 3
    assert told["bytes"] == Path(file).stat().st_size == 3 * told["bytes_per_image"]
    assert told["bits_per_dim"] == pytest.approx(8 * told["bytes"] / 3 / 64)
    others = told["bytes_per_image_of_others"]
    assert 0 < others["WebP, all in one"] < others["PNG, all in one"] < others["PNG"]
    assert 0 < told["bound"]["bits_per_dim"] == pytest.approx(told["bound"]["bytes_per_image"] / 8)
    assert main(["compress", "digits", "--decode", file, *QUICK, "--out", images]) == 0
    x = np.load(images)
    assert others["xz"] == len(lzma.compress(x.tobytes(), preset=9 | lzma.PRESET_EXTREME)) / 3
    assert x.shape == (3, 1, 8, 8)
    assert x.dtype == np.uint8
    assert main(["compress", "digits", "--images", images, "--steps", "4", *QUICK, "--out", again]) == 0
    assert Path(again).read_bytes() == Path(file).read_bytes()
    capsys.readouterr()


@pytest.mark.parametrize("length", [100.0, 130.0])
def test_a_file_far_above_the_bound_is_said_to_have_a_reason(length: float) -> None:
    bound = {"bytes_per_image": 100.0, "bits_per_dim": 1.0}
    told = {"out": "a.bits", "n": 4, "bytes": 4 * length, "bytes_per_image": length, "bits_per_dim": length / 100}
    said = _rendered(told | {"steps": 20, "bound": bound, "bytes_per_image_of_others": {"xz": 150.0}})
    assert "variational bound: 100.0 bytes each" in said
    assert "xz: 150.0 bytes each" in said
    assert ("more --steps than 20" in said) is (length > 120)


def test_it_computes_on_one_thread_and_advises_no_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever else runs: the number decides the last bits of the network's outputs, and so what can be decoded."""
    asked: list[tuple[int | None, bool]] = []
    monkeypatch.setitem(main.__globals__, "use_threads", lambda threads, *, fixed: asked.append((threads, fixed)))
    for more in ([], ["--threads", "2"]):
        command = ["compress", "digits", "-n", "1", "--steps", "2", *QUICK, *more]
        assert main([*command, "--out", str(tmp_path / "a.bits")]) == 0
    assert asked == [(1, False), (2, False)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["digits", "--decode", "absent.bits"], "no such file"),
        (["digits", "--decode", "a.npy"], "a.npy: not a file of compressed images: it does not begin as one"),
        (["digits", "--images", "a.npy"], "torch.float64 of shape (2, 3); the model needs images of bytes"),
        (["digits", "--steps", "10001"], "steps must be between 1 and 10000"),
        (["digits", "--decode", "a.bits", "--out", "b.png"], "the extension must be"),
        (["mnist-classifier"], "classifier"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.zeros((2, 3)))
    assert main(["compress", *arguments, "--device", "cpu"]) in (2, 3)
    assert said in capsys.readouterr().err
