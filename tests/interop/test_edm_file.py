"""EDM's pickles give tensors and arguments; nothing in them, or in what pretends to be one of them, is executed."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from foreign_pickles import Call, Pickler, persistent, write
from scorefield import CheckpointError
from scorefield.interop.edm_file import read_edm

SOURCE = "import os; os.system('touch {}')"


def network(source: str) -> tuple[Call, dict[str, torch.Tensor]]:
    """A small network in which some parts are torch's own and some are EDM's, and its state."""
    inner = nn.Module()
    inner.enc = nn.ModuleDict({"8x8_conv": nn.Module()})
    inner.enc["8x8_conv"].weight = nn.Parameter(torch.arange(18.0).reshape(2, 1, 3, 3))
    inner.enc["8x8_conv"].register_buffer("resample_filter", torch.ones(1, 1, 2, 2))
    outer = nn.Module()
    outer.model = inner
    state = {name: value.clone() for name, value in outer.state_dict().items()}
    inner.enc._modules["8x8_conv"] = persistent("Conv2d", inner.enc["8x8_conv"], source)  # pyright: ignore
    outer._modules["model"] = persistent("SongUNet", inner, source)  # pyright: ignore
    return persistent("EDMPrecond", outer, source, img_resolution=8, model_type="SongUNet"), state


def test_tensors_and_arguments_come_out_and_the_source_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    stored, state = network(SOURCE.format(marker))
    found = read_edm(write(tmp_path / "net.pkl", {"ema": stored, "loss_fn": None}))
    assert found.precond == "EDMPrecond"
    assert found.arguments == {"img_resolution": 8, "model_type": "SongUNet"}
    assert set(found.state) == set(state)
    assert all(torch.equal(found.state[name], value) for name, value in state.items())
    assert not marker.exists()


def test_numbers_of_numpys_and_arguments_in_order_are_read(tmp_path: Path) -> None:
    """A block of EDM's keeps √½ as one of the former; a module may be stored alone, and be of a repository within another."""
    module = nn.Module()
    module.skip_scale = np.sqrt(0.5)  # pyright: ignore[reportAttributeAccessIssue]
    whole = persistent(
        "EDMPrecond", module, "", sigma_data=np.float64(0.5), label_dim=np.int64(3), xflip=np.bool_(True)
    )
    whole.arguments[0]["state"]["_init_args"] = (8, 3)
    whole.module = "edm.torch_utils.persistence"
    expected = {"img_resolution": 8, "img_channels": 3, "sigma_data": 0.5, "label_dim": 3, "xflip": True}
    assert read_edm(write(tmp_path / "net.pkl", whole)).arguments == expected


def traps(marker: Path) -> dict[str, Any]:
    command = f"touch {marker}"
    inner = io.BytesIO()
    Pickler(inner, 4).dump(Call("os", "system", command))
    storage = Call("torch.storage", "_load_from_bytes", inner.getvalue())
    meta = {
        "class_name": "EDMPrecond",
        "state": {"_init_kwargs": {}, "_parameters": {"w": Call("os", "system", command)}},
    }
    return {
        "a call at the top": Call("os", "system", command),
        "a call beside the network": {"ema": network("")[0], "D": Call("posix", "system", command)},
        "a call within the state": {"ema": Call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)},
        "a call within a storage": {"ema": storage},
        "eval": {"ema": Call("builtins", "eval", f"__import__('os').system({command!r})")},
        "getattr": {"ema": Call("builtins", "getattr", "a", "b")},
        "an import by another name": {"ema": Call("importlib", "import_module", "os")},
        "a number of objects": {"ema": Call("numpy.core.multiarray", "scalar", Call("numpy", "dtype", "O8"), b"")},
        "an array of numpy's": {"ema": Call("numpy.core.multiarray", "_reconstruct", command)},
        "torch.load": {"ema": Call("torch", "load", str(marker))},
        "a reduce through copyreg": {"ema": Call("copyreg", "_reconstructor", Call("os", "system", command))},
        "a module of torch with hooks": {"ema": Call("torch.nn.modules.module", "_IncompatibleKeys", command)},
    }


@pytest.mark.parametrize("trap", traps(Path("never")))
def test_what_would_run_is_refused_and_does_not(trap: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = write(tmp_path / "net.pkl", traps(marker)[trap])
    with pytest.raises(CheckpointError, match=r"nothing was executed"):
        read_edm(path)
    assert not marker.exists()


def test_functions_stay_as_they_are(tmp_path: Path) -> None:
    state = b"N}X\x07\0\0\0__doc__X\x04\0\0\0hurts\x86b."  # what pickle's BUILD does with it is setattr(function, "__doc__", "hurt")
    (tmp_path / "net.pkl").write_bytes(b"\x80\x04ctorch._utils\n_rebuild_tensor_v2\n" + state)
    with pytest.raises(CheckpointError, match=r"nothing was executed.*setattr on _rebuild_tensor_v2"):
        read_edm(tmp_path / "net.pkl")
    assert torch._utils._rebuild_tensor_v2.__doc__ != "hurt"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "damaged"),
        (b"no pickle at all", "damaged"),
        (b"\x80\x04}r\xff\xff\xff\xff0N.", "a NoneType"),  # an object put at place 4294967295
        (pickle.dumps([1, 2]), "a list"),
        (pickle.dumps({"ema": {"model": 1}}), "a dict with ema"),
        (pickle.dumps({"net": 1}), "a dict with net"),
    ],
)
def test_what_is_no_network_of_edm_is_said(content: bytes, found: str, tmp_path: Path) -> None:
    (tmp_path / "net.pkl").write_bytes(content)
    with pytest.raises(CheckpointError, match=found):
        read_edm(tmp_path / "net.pkl")


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "net.pkl", {"ema": network("")[0]}).read_bytes()
    for length in range(0, len(whole) - 1, 97):
        (tmp_path / "cut.pkl").write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_edm(tmp_path / "cut.pkl")
