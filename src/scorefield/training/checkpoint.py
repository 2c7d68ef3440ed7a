"""Checkpoints that outlive a kill, a full disk and a flipped bit: safetensors, JSON and SHA-256, no pickle.

The checkpoint of step 1200 is a folder::

    step-00001200/
        model.safetensors   one file per group of tensors (model, ema, optim, ...)
        state.json          schema version, step, and whatever the caller keeps beside tensors
        manifest.json       size and SHA-256 of each file above, written last
    last                    name of the checkpoint written last, for people and shell scripts; never read here

Writing is all or nothing: the files go to ``.tmp-<pid>-<token>-<n>``, are synced, read back and compared, and only then does one
``rename`` give them their name. Whatever is interrupted leaves a ``.tmp-*`` that `clean` removes.

Reading trusts nothing: a file is opened only when the manifest names it, used only when its size and hash agree, and decoded by
safetensors alone. Files that the manifest does not name are ignored. POSIX only (a folder is synced as a file is).
"""

import errno
import itertools
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from scorefield._errors import CheckpointError, ConfigError
from scorefield.training import checkpoint_files as files
from scorefield.training.checkpoint_files import JSON, MANIFEST, NAME, SCHEMA, STATE

__all__ = ["JSON", "SCHEMA", "Checkpoint", "clean", "latest", "load", "read_tensors", "save"]

_STEP = re.compile(r"step-([0-9]{8,})(~?)")  # "~": the former copy of a step that is being replaced
_TEMPORARY = re.compile(r"\.tmp-([1-9][0-9]{0,8})-([0-9a-f]{8})-[0-9]+")
_TOKEN = secrets.token_hex(4)  # tells this process from a dead one of the same pid (containers start at the same pid)
_COUNTER = itertools.count()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A verified checkpoint: tensors by group and name, on the CPU, and the state saved with them."""

    path: Path
    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, JSON]

    @property
    def seconds(self) -> float | None:
        """Wall clock of the training behind it, where that was kept."""
        seconds = self.state.get("seconds")
        return float(seconds) if isinstance(seconds, int | float) else None


def save(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, JSON], *, keep: int = 3
) -> Path:
    """Write the checkpoint of ``step`` atomically, then delete all but the newest ``keep`` up to this step.

    Nothing older is deleted before the new one has been read back and compared, and checkpoints of later steps are left alone. A step
    that exists already is left as it is if it holds the same; otherwise the former copy stays loadable (as ``step-...~``) until the new
    one is in place. Values return bit for bit; strides, sharing of memory and the order of tensors do not.

    Args:
        folder: where checkpoints live; made if absent.
        step: number of finished training steps.
        tensors: groups of dense tensors, each a file of its own.
        state: JSON that must read back equal: no tuples, no keys but strings, no NaN or infinity.
        keep: how many checkpoints remain, this one included.

    Returns:
        The folder of the checkpoint.

    Raises:
        ConfigError: ``step``, ``keep`` or the name of a group is out of range.
        CheckpointError: the values cannot be stored, or the disk is full, read-only or failing. Earlier checkpoints are intact.
    """
    if step < 0:
        raise ConfigError(f"step must be a number of finished steps, 0 or more; received {step}")
    if keep < 1:
        raise ConfigError(f"keep must be at least 1, the checkpoint just written; received {keep}")
    for group in tensors:
        if not NAME.fullmatch(f"{group}.safetensors"):
            raise ConfigError(f"a group of tensors is named by letters, digits, _ and -; received {group!r}")
    groups = {group: files.storable(group, values) for group, values in tensors.items()}
    data = files.encode_state(step, state)
    path = folder / f"step-{step:08d}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _holds(_good(path), groups, data):
            _place(path, groups, data)
        _update_last(path)
        _prune(path, keep)
    except OSError as error:
        needed = len(data) + sum(x.nbytes for values in groups.values() for x in values.values())
        raise CheckpointError(_explain(folder, needed, error)) from error
    return path


def clean(folder: Path) -> None:
    """Remove what interrupted saves left in ``folder``; call it at the start of a run.

    Touches ``.tmp-*`` of dead processes only; a process on another machine looks dead, which is why a run folder is held by one process
    (`scorefield.runs.lock`).

    Raises:
        CheckpointError: the folder cannot be read or a leftover not removed.
    """
    for path in _scan(folder):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or _is_live(int(match[1]), match[2]):
            continue
        try:
            _remove(path)
        except OSError as error:
            left = f"cannot clear {path.name}, left by an interrupted save"
            raise CheckpointError(f"{folder}: {left}: {error}; remove it by hand") from error


def load(path: Path, *, links: bool = True) -> Checkpoint:
    """Read the checkpoint folder ``path`` after verifying every file against its manifest.

    Args:
        path: the folder.
        links: whether files may be symbolic links, as in the cache of a model hub; in a run's own folder they are never.

    Raises:
        CheckpointError: a file is missing, damaged, a link that may not be one, too large, or from a newer release.
    """
    tensors: dict[str, dict[str, Tensor]] = {}
    step, state = 0, {}
    for name, (size, sha256) in files.read_manifest(path / MANIFEST, links=links).items():
        data = files.read_verified(path / name, size, sha256, links=links)
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
            checkpoint = load(path, links=False)
        except CheckpointError as error:
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


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a lone safetensors file by name; anything else is refused by its content, whatever it is called.

    Raises:
        CheckpointError: the file cannot be read or is not a sound safetensors file.
    """
    return files.read_tensors(path, files.read(path))


def _good(path: Path) -> Checkpoint | None:
    """Return the checkpoint if it is there and good."""
    try:
        return load(path, links=False)
    except CheckpointError:
        return None


def _holds(found: Checkpoint | None, groups: Mapping[str, Mapping[str, Tensor]], state: bytes) -> bool:
    """Tell whether a checkpoint has this content."""
    if found is None or files.encode_state(found.step, found.state) != state or found.tensors.keys() != groups.keys():
        return False
    return all(files.same(tensors, found.tensors[group]) for group, tensors in groups.items())


def _place(path: Path, groups: Mapping[str, dict[str, Tensor]], state: bytes) -> None:
    """Write, sync and read back under a temporary name, then rename to ``path``."""
    with _temporary(path.parent) as temporary:
        os.mkdir(temporary)
        entry = files.write(temporary / STATE, state)
        named = {f"{group}.safetensors": tensors for group, tensors in groups.items()}
        entries = {name: files.write_tensors(temporary / name, tensors) for name, tensors in named.items()}
        files.write(temporary / MANIFEST, files.encode({"schema": SCHEMA, "files": {**entries, STATE: entry}}))
        files.sync(temporary)
        if path.exists():
            _step_aside(path)
        os.rename(temporary, path)
    files.sync(path.parent)


def _step_aside(path: Path) -> None:
    """Free the name ``path``; what it held stays loadable as its ``~`` copy until the new one is in place."""
    former = path.with_name(path.name + "~")
    if former.exists():  # a replacement was interrupted before: keep the better of the two
        if _good(path) is None:
            return _discard(path)
        _discard(former)
    os.rename(path, former)


def _update_last(path: Path) -> None:
    with _temporary(path.parent) as temporary:
        files.write(temporary, f"{path.name}\n".encode())
        os.replace(temporary, path.with_name("last"))
    files.sync(path.parent)


def _prune(newest: Path, keep: int) -> None:
    """Delete what ``newest``, known to be good, makes superfluous: ``~`` copies and the oldest of the others."""
    older = [path for path in _checkpoints(newest.parent) if path != newest and _step(path) <= _step(newest)]
    kept = [path for path in older if not path.name.endswith("~")][: keep - 1]
    for path in older:
        if path not in kept:
            _discard(path)


def _discard(path: Path) -> None:
    """Delete a checkpoint; renamed first, so that an interrupted deletion never looks like a damaged one."""
    with _temporary(path.parent) as temporary:
        os.rename(path, temporary)


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Give a name that no other process and no earlier call uses; what is there in the end is removed."""
    path = folder / f".tmp-{os.getpid()}-{_TOKEN}-{next(_COUNTER)}"
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _checkpoints(folder: Path) -> list[Path]:
    """Return the folders named like checkpoints, newest first, a ``~`` copy after what replaced it."""
    paths = [p for p in _scan(folder) if _STEP.fullmatch(p.name) and p.is_dir() and not p.is_symlink()]
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


def _is_live(pid: int, token: str) -> bool:
    """Tell whether the process that made a temporary name may still be writing there."""
    if pid == os.getpid():
        return token == _TOKEN
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # else it exists and belongs to somebody else
    return True


def _explain(folder: Path, needed: int, error: OSError) -> str:
    """Return what a failed save means to a person."""
    what = f"cannot write a checkpoint of {needed} bytes: {error}; expected a folder this user may write to"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = f"it needs {needed} bytes, {shutil.disk_usage(place).free} are free"
        what = f"no space for a checkpoint ({error.strerror}): {free}; free some space or keep fewer checkpoints"
    return f"{folder}: {what}. Earlier checkpoints are intact"
