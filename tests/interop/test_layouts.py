"""Files of other projects: what is in them comes out exactly, what is not plain data does not run, what is not ours is named."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from foreign_checkpoints import LEVELS, contents, network, shadow, state, trained, write
from scorefield import CheckpointError
from scorefield.interop import Imported, read_weights, write_weights
from scorefield.interop.edm_file import read_edm
from turns import in_turn

KINDS = ["cond_refinenet", "ncsnv2"]


def equal(found: dict, expected: dict) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize(("layout", "kind"), in_turn(("ncsn", "ncsnv2", "score_sde"), KINDS))
def test_every_layout_gives_back_what_was_put_in(tmp_path: Path, layout: str, kind: str) -> None:
    net = network(kind, channels=3)
    found = read_weights(write(tmp_path / "x.pth", contents(layout, net)), layout)
    expected = net.state_dict()
    if layout == "score_sde":
        expected.pop("sigmas", None)
    assert equal(found.model, expected)
    assert equal(found.ema, expected if layout == "ncsn" else {**expected, **shadow(net)})
    assert found.averaged == (layout != "ncsn")
    known = 6 if kind == "cond_refinenet" or layout != "score_sde" else None
    assert (*found.network, found.step) == (kind, 3, 2, known, 4, 2)
    assert (found.sigmas is not None) == (kind == "ncsnv2" and layout != "score_sde")
    moments = trained(network(kind, channels=3))["state"]
    for index, (name, _) in enumerate(net.named_parameters()):
        for key, value in moments[index].items():
            assert torch.equal(found.moments[name][key], value)


def bring(path: Path, layout: str, found: Imported) -> None:
    write_weights(
        path,
        layout,
        model=found.model,
        ema=found.ema,
        moments=found.moments,
        step=found.step,
        learning_rate=1e-3,
        betas=(0.9, 0.999),
    )


@pytest.mark.parametrize(("layout", "kind"), [("ncsn", "cond_refinenet"), ("ncsnv2", "ncsnv2")])
def test_the_way_out_is_exact_and_what_the_reference_loads(tmp_path: Path, layout: str, kind: str) -> None:
    net = network(kind)
    value = contents(layout, net)
    bring(tmp_path / "out.pth", layout, read_weights(write(tmp_path / "in.pth", value), layout))
    back = torch.load(tmp_path / "out.pth", weights_only=True)
    assert list(back[0]) == list(value[0])
    assert equal(back[0], value[0])
    other = network(kind)
    optimizer = torch.optim.Adam(torch.nn.DataParallel(other).parameters(), lr=0.5)
    optimizer.load_state_dict(back[1])
    assert optimizer.param_groups[0]["lr"] == 1e-3
    moments = optimizer.state_dict()["state"]
    assert all(equal(moments[index], entry) for index, entry in value[1]["state"].items())
    if layout == "ncsnv2":
        assert back[3] == 2
        assert equal(back[4], value[4])


def test_ncsn_files_get_the_averaged_weights(tmp_path: Path) -> None:
    net = network("cond_refinenet")
    found = read_weights(write(tmp_path / "in.pth", contents("ncsnv2", net)), "ncsnv2")
    bring(tmp_path / "out.pth", "ncsn", found)
    assert equal(read_weights(tmp_path / "out.pth", "ncsn").model, shadow(net))


class Trap:
    """Unpickled by a careless reader, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["pickle", "torch", "legacy torch"])
def test_a_pickle_that_runs_code_is_refused_and_nothing_runs(tmp_path: Path, how: str) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "trap.pth"
    value = [state(network("cond_refinenet")), {"state": Trap(sprung)}]
    if how == "pickle":
        path.write_bytes(pickle.dumps(value))
    else:
        torch.save(value, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(CheckpointError, match="nothing was executed"):
        read_weights(path, "ncsn")
    assert not sprung.exists()
    if how == "torch":  # the trap does work: a careless reader falls into it
        torch.load(path, weights_only=False)
        assert sprung.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not a zip", b"\x80\x02}q\x00."], ids=repr)
def test_a_file_that_is_not_torchs_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        read_weights(path, "ncsn")


def test_a_tensor_of_more_numbers_than_the_file_has_is_refused(tmp_path: Path) -> None:
    """Its finiteness alone would need 68 GB."""
    weights = state(network("cond_refinenet"))
    weights["module.begin_conv.bias"] = torch.zeros(1).expand(2**36)
    refused(tmp_path, [weights, {}], "ncsn", r"begin_conv\.bias claims the shape \(68719476736,\)")


def test_an_archive_that_would_unpack_to_more_is_refused(tmp_path: Path) -> None:
    whole, bomb = write(tmp_path / "x.pth", contents("ncsn", network("cond_refinenet"))), tmp_path / "bomb.pth"
    with zipfile.ZipFile(whole) as parts, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as out:
        for part in parts.infolist():
            out.writestr(part.filename, parts.read(part))
        out.writestr("x/data/1000", bytes(2**20))
    with pytest.raises(CheckpointError, match="would unpack to"):
        read_weights(bomb, "ncsn")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.pth").symlink_to("/dev/zero")
    for path, found in (("pipe", "device"), ("link.pth", "device"), (".", "folder")):
        for read in (lambda path: read_weights(path, "ncsn"), read_edm):
            with pytest.raises(CheckpointError, match=f"expected a file; found a {found}"):
                read(tmp_path / path)


def test_a_file_cut_short_or_absent_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pth", contents("ncsn", network("cond_refinenet")))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="nothing was executed"):
        read_weights(path, "ncsn")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(tmp_path / "none.pth", "ncsn")


def refused(tmp_path: Path, value: object, layout: str, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_weights(write(tmp_path / "x.pth", value), layout)


def test_another_layout_is_named(tmp_path: Path) -> None:
    value = contents("ncsnv2", network("ncsnv2"))
    refused(
        tmp_path,
        value,
        "ncsn",
        r"expected a list \[model, optimizer\], or a state dict alone; found a list of 5; choose",
    )
    refused(tmp_path, value, "score_sde", "step, or a state dict alone; found a list of 5")
    refused(tmp_path, {"state_dict": {}}, "ncsnv2", "found a dict with state_dict")
    refused(tmp_path, [[], {}], "ncsn", "tensors by name as the model; found a list of 0")
    refused(tmp_path, [{"a": 1}, {}], "ncsn", "'a': a int")
    refused(tmp_path, [{"a": torch.ones(2).to_sparse()}, {}], "ncsn", "'a': a Tensor")


def test_another_network_is_named(tmp_path: Path) -> None:
    refused(
        tmp_path,
        [{"module.down.0.weight": torch.ones(2)}, {}],
        "ncsn",
        "not one of ours.*found 1 tensors, the first down",
    )
    deeper = state(network("ncsnv2"))
    deeper["module.res7.0.conv1.weight"] = torch.ones(1)
    refused(tmp_path, [deeper, {}], "ncsn", r"not one of ours.*res7\.0\.conv1\.weight is unknown.*NCSN\+\+")
    short = state(network("cond_refinenet"))
    del short["module.refine3.msf.convs.0.bias"]
    refused(tmp_path, [short, {}], "ncsn", r"refine3\.msf\.convs\.0\.bias is missing")
    wide = state(network("cond_refinenet"))
    wide["module.res3.1.conv1.weight"] = torch.ones(4, 4, 5, 5)
    refused(tmp_path, [wide, {}], "ncsn", r"res3\.1\.conv1\.weight has shape \(4, 4, 5, 5\) instead of \(4, 4, 3, 3\)")


def test_broken_weights_are_refused(tmp_path: Path) -> None:
    for value in (torch.nan, torch.inf):
        net = network("ncsnv2")
        with torch.no_grad():
            net.end_conv.bias[0] = value
        refused(tmp_path, [state(net), {}], "ncsn", "end_conv.bias in the model is not finite")
    net = network("ncsnv2")
    partly = dict(list(shadow(net).items())[:-1])
    refused(tmp_path, [state(net), {}, 0, 2, partly], "ncsnv2", "averaged weights are not those")
    ema = {"shadow_params": list(shadow(net).values())[:-1]}
    refused(tmp_path, {"model": state(net), "optimizer": {}, "step": 1, "ema": ema}, "score_sde", "averaged weights")


ODD = {"step": "two", "exp_avg": None, "exp_avg_sq": 1}


@pytest.mark.parametrize(
    "optimizer",
    [{}, {"state": {}}, {"state": {0: {"step": 1}}}, None],
    ids=str,
)
def test_weights_without_usable_moments_are_still_weights(tmp_path: Path, optimizer: object) -> None:
    found = read_weights(write(tmp_path / "x.pth", [state(network("ncsnv2")), optimizer]), "ncsn")
    assert (found.moments, found.step) == ({}, 0)


OTHERS = {"exp_avg": torch.ones(3), "exp_avg_sq": torch.ones(3)}


@pytest.mark.parametrize("odd", [ODD, {"step": torch.nan}, {"exp_avg": torch.ones(3)}, OTHERS], ids=str)
def test_one_odd_moment_spoils_them_all(tmp_path: Path, odd: dict) -> None:
    value = contents("ncsn", network("cond_refinenet"))
    value[1]["state"][5] |= odd
    assert read_weights(write(tmp_path / "x.pth", value), "ncsn").moments == {}


def test_levels_come_out_as_they_are_stored(tmp_path: Path) -> None:
    found = read_weights(write(tmp_path / "x.pth", contents("ncsnv2", network("ncsnv2"))), "ncsnv2")
    assert found.sigmas is not None
    assert torch.equal(found.sigmas, LEVELS.float())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pth", contents("ncsn", network("cond_refinenet")))
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="exists already"):
        bring(path, "ncsn", read_weights(path, "ncsn"))
    assert path.read_bytes() == before
    with pytest.raises(CheckpointError, match="cannot be written"):
        bring(tmp_path / "no" / "x.pth", "ncsn", read_weights(path, "ncsn"))
