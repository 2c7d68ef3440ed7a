"""Checkpoints that outlive a kill, a full disk and a flipped bit: safetensors, JSON and SHA-256, no pickle.

The checkpoint of step 1200 is a folder::

    step-00001200/
        model.safetensors   one file per group of tensors (model, ema, optim, ...)
        state.json          schema version, step, and whatever the caller keeps beside tensors
        manifest.json       size and SHA-256 of each file above, written last
    last                    name of the checkpoint written last, for people and shell scripts; never read here

Writing is all or nothing: the files go to a folder ``.tmp-*``, are synced, read back and compared, and only then does one ``rename``
give them their name. Whatever is interrupted leaves a ``.tmp-*`` that `clean` removes.

Reading trusts nothing: a file is opened only when the manifest names it, used only when its size and hash agree, and decoded by
safetensors alone. Files that the manifest does not name are ignored. POSIX only (a folder is synced as a file is).
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from scorefield._replacing import FULL, remedy, shown
from scorefield.errors import CheckpointError
from scorefield.training import checkpoint_files as files
from scorefield.training.checkpoint_files import JSON, MANIFEST, SCHEMA, STATE

_STEP = re.compile(r"step-([0-9]{8,})~?")  # "~": the former copy of a step that is being replaced
_TEMPORARY = ".tmp-"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A verified checkpoint: tensors by group and name, on the CPU, and the state saved with them."""

    path: Path
    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, JSON]

    def group(self, name: str) -> dict[str, Tensor]:
        """Return a group of tensors that there must be.

        Raises:
            CheckpointError: there is none of that name.
        """
        if name not in self.tensors:
            raise CheckpointError(f"{self.path}: has no {name}.safetensors; it was not written by a run")
        return self.tensors[name]

    @property
    def seconds(self) -> float | None:
        """Wall clock of the training behind it, where that was kept."""
        seconds = self.state.get("seconds")
        return float(seconds) if isinstance(seconds, int | float) else None

    @property
    def seen(self) -> tuple[int, ...] | None:
        """The classes that the training behind it had examples of, where those were kept."""
        seen = self.state.get("seen")
        return tuple(seen) if isinstance(seen, list) else None


def save(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, JSON], *, keep: int = 3
) -> Path:
    """Write the checkpoint of ``step`` atomically, then delete all but the newest ``keep`` up to this step; return its folder.

    Nothing older is deleted before the new one has been read back and compared, and checkpoints of later steps are left alone. A former
    checkpoint of the same step stays loadable (as ``step-...~``) until the new one is in place. Values return bit for bit; strides,
    sharing of memory and the order of tensors do not.

    Args:
        folder: where checkpoints live; made if absent.
        step: number of finished training steps.
        tensors: groups of dense tensors, each a file of its own, named by letters, digits, _ and -.
        state: JSON that must read back equal: no tuples, no keys but strings, no NaN or infinity.
        keep: how many checkpoints remain, this one included.

    Raises:
        CheckpointError: the values cannot be stored, or the disk is full, read-only or failing. Earlier checkpoints are intact.
    """
    path = folder / f"step-{step:08d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder) as name:
            temporary = Path(name)
            write(temporary / path.name, step, tensors, state)
            _step_aside(path, temporary)
            files.write(temporary / "last", f"{path.name}\n".encode())
            os.rename(temporary / path.name, path)
            os.replace(temporary / "last", folder / "last")
            files.sync(folder)
            _prune(path, keep, temporary)
    except OSError as error:
        needed = sum(x.nbytes for group in tensors.values() for x in group.values())
        raise CheckpointError(_explain(folder, needed, error)) from error
    return path


def clean(folder: Path) -> None:
    """Remove what interrupted saves left in ``folder``: call it at the start of a run, which alone writes there (`scorefield.runs.lock`).

    Raises:
        CheckpointError: the folder cannot be read or a leftover not removed.
    """
    for path in _scan(folder):
        if path.name.startswith(_TEMPORARY):
            try:
                shutil.rmtree(path)
            except OSError as error:
                raise CheckpointError(f"{path}: left by an interrupted save, cannot be removed: {error}") from error


def load(path: Path) -> Checkpoint:
    """Read the checkpoint folder ``path`` after verifying every file against its manifest.

    Raises:
        CheckpointError: a file is missing, damaged, too large, or from a newer release.
    """
    tensors: dict[str, dict[str, Tensor]] = {}
    step, state = 0, {}
    for name, entry in files.read_manifest(path / MANIFEST).items():
        data = files.read_verified(path / name, entry)
        if name == STATE:
            step, state = files.read_state(path / name, data)
        else:
            tensors[name.removesuffix(".safetensors")] = files.read_tensors(path / name, data)
    return Checkpoint(path, step, tensors, state)


def latest(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest good checkpoint in ``folder``, or None if there is none at all.

    Args:
        folder: where `save` puts them; it need not exist.
        warn: called once, with damaged checkpoints and the one taken instead, if the newest is not good.

    Raises:
        CheckpointError: there are checkpoints and none of them is good.
    """
    failures: list[str] = []
    for path in _checkpoints(folder):
        try:
            checkpoint = load(path)
        except CheckpointError as error:
            if not path.exists():  # superseded while it was read: a run that trains beside has a newer one
                return latest(folder, warn)
            failures.append(str(error))
            continue
        if failures:
            warn("\n".join(["damaged checkpoint passed over:", *failures, f"taken instead: {path}"]))
        return checkpoint
    if failures:
        raise CheckpointError(
            "\n".join([f"{folder}: none of its {len(failures)} checkpoints can be trusted:", *failures])
        )
    return None


def write(path: Path, step: int, groups: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, JSON]) -> None:
    """Write all files of a checkpoint to a new folder, synced and read back, the manifest last.

    Raises:
        CheckpointError: the values cannot be stored.
        OSError: of the system.
    """
    os.mkdir(path)
    fields = {"schema": SCHEMA, "step": step, "state": dict(state)}
    entries: dict[str, JSON] = {STATE: files.write(path / STATE, files.encode(fields))}
    for group, tensors in groups.items():
        name = f"{group}.safetensors"
        entries[name] = files.write_tensors(path / name, tensors)
    files.write(path / MANIFEST, files.encode({"schema": SCHEMA, "files": entries}))
    files.sync(path)


def _step_aside(path: Path, trash: Path) -> None:
    """Free the name ``path``; what it held stays loadable as its ``~`` copy until the new one is in place."""
    former = path.with_name(path.name + "~")
    if path.exists() and former.exists():  # a replacement was interrupted before: keep the better of the two
        try:
            load(path)
            _discard(former, trash)
        except CheckpointError:
            _discard(path, trash)
    if path.exists():
        os.rename(path, former)


def _prune(newest: Path, keep: int, trash: Path) -> None:
    """Delete what ``newest``, known to be good, makes superfluous: ``~`` copies and the oldest of the others."""
    older = [path for path in _checkpoints(newest.parent) if path != newest and _step(path) <= _step(newest)]
    kept = [path for path in older if not path.name.endswith("~")][: keep - 1]
    for path in older:
        if path not in kept:
            _discard(path, trash)


def _discard(path: Path, trash: Path) -> None:
    """Rename first what is to be deleted: an interrupted deletion never looks like a damaged checkpoint."""
    os.rename(path, tempfile.mkdtemp(dir=trash))


def _checkpoints(folder: Path) -> list[Path]:
    """Return the folders named like checkpoints, newest first, a ``~`` copy after what replaced it."""
    paths = [path for path in _scan(folder) if _STEP.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
    return sorted(paths, key=lambda path: (-_step(path), path.name))


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-").removesuffix("~"))


def _scan(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{folder}: expected a readable folder of checkpoints; found {error}") from error


def _explain(folder: Path, needed: int, error: OSError) -> str:
    """Return why a save failed, in words for whoever runs it."""
    what = f"cannot write a checkpoint of {needed} bytes: {error}; expected a folder this user may write to"
    if error.errno in FULL:
        place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = f"it needs {needed} bytes, {shutil.disk_usage(place).free} are free"
        what = f"cannot write a checkpoint ({error.strerror}): {free}; {remedy(error)}, or keep fewer checkpoints"
    return f"{shown(folder)}: {what}. Earlier checkpoints are intact"
