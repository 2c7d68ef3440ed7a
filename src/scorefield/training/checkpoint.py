"""Checkpoints that outlive a kill, a full disk and a flipped bit: safetensors, JSON and SHA-256, no pickle.

The checkpoint of step 1200 is a folder::

    step-00001200/
        model.safetensors   one file per group of tensors (model, ema, optim, ...)
        state.json          schema version, step, and whatever the caller keeps beside tensors
        manifest.json       size and SHA-256 of each file above, written last
    last                    name of the checkpoint written last, for people and shell scripts; never read here

Writing is all or nothing: the files go to ``.tmp-<pid>-<token>-<n>``, are synced, read back and verified, and
only then does one ``rename`` give them their name. Whatever is interrupted leaves a ``.tmp-*`` that `clean`
removes. Tensors on the CPU are written from where they lie: a save copies none that is contiguous.

Reading trusts nothing: a file is opened only when the manifest names it, used only when its size and hash
agree, and decoded by safetensors alone. Files that the manifest does not name are ignored. POSIX only
(directory sync).
"""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from scorefield._errors import CheckpointError, ConfigError
from scorefield.training.checkpoint_bytes import (
    JSON,
    MANIFEST,
    MANIFEST_LIMIT,
    SCHEMA,
    STATE,
    decode_manifest,
    decode_state,
    decode_tensors,
    encode,
    encode_manifest,
    is_group,
)
from scorefield.training.checkpoint_disk import (
    TEMPORARY,
    Content,
    cannot_write,
    is_live,
    read,
    read_own,
    read_verified,
    remove,
    scan,
    size,
    sync,
    temporary_name,
    write,
    write_verified,
)

__all__ = ["JSON", "SCHEMA", "Checkpoint", "clean", "latest", "load", "read_tensors", "save"]

_LAST = "last"
_STEP = re.compile(r"step-([0-9]{8,})(~?)")  # "~": the former copy of a step that is being replaced


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
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, JSON],
    *,
    keep: int = 3,
) -> Path:
    """Write the checkpoint of ``step`` atomically, then delete all but the newest ``keep`` up to this step.

    Nothing older is deleted before the new one has been read back and verified, and checkpoints of later
    steps are left alone. A step that exists already is left as it is if it holds the same bytes; otherwise
    the former copy stays loadable (as ``step-...~``) until the new one is in place. Values return bit for
    bit; strides, sharing of memory and the order of tensors do not.

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
        CheckpointError: the values cannot be stored, or the disk is full, read-only or failing. Earlier
            checkpoints are intact.
    """
    _check_arguments(step, keep, tensors)
    files = encode(step, tensors, state)
    path = folder / f"step-{step:08d}"
    with ThreadPoolExecutor(1) as pool:
        manifest = pool.submit(encode_manifest, files)  # hashing takes about as long as writing: side by side
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not _holds(path, manifest):
                _place(path, files, manifest)
            _update_last(folder, path.name)
            _prune(folder, path, keep)
        except OSError as error:
            cannot_write(folder, sum(map(size, files.values())), error)
    return path


def clean(folder: Path) -> None:
    """Remove what interrupted saves left in ``folder``; call it at the start of a run.

    Touches ``.tmp-*`` of dead processes only; a process on another machine looks dead, which is why a run
    folder is held by one process (`scorefield.runs.lock`).

    Raises:
        CheckpointError: the folder cannot be read or a leftover not removed.
    """
    for entry in scan(folder):
        match = TEMPORARY.fullmatch(entry.name)
        if match is None or is_live(int(match[1]), match[2]):
            continue
        try:
            remove(folder / entry.name)
        except OSError as error:
            raise CheckpointError(
                f"{folder}: cannot clear {entry.name}, left by an interrupted save: {error}; remove it by hand"
            ) from error


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
    manifest = path / MANIFEST
    for name, (length, sha256) in decode_manifest(manifest, read_own(manifest, MANIFEST_LIMIT, links=links)).items():
        data = read_verified(path / name, length, sha256, links=links)
        if name == STATE:
            step, state = decode_state(path / name, data)
        else:
            tensors[name.removesuffix(".safetensors")] = decode_tensors(path / name, data)
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
    return decode_tensors(path, read(path))


def _check_arguments(step: int, keep: int, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
    if step < 0:
        raise ConfigError(f"step must be a number of finished steps, 0 or more; received {step}")
    if keep < 1:
        raise ConfigError(f"keep must be at least 1, the checkpoint just written; received {keep}")
    for group in groups:
        if not is_group(group):
            raise ConfigError(f"a group of tensors is named by letters, digits, _ and -; received {group!r}")


def _holds(path: Path, manifest: Future[bytes]) -> bool:
    """Tell whether ``path`` is a good checkpoint with this very manifest, hence with the same bytes."""
    return _is_good(path) and read(path / MANIFEST, MANIFEST_LIMIT) == manifest.result()


def _is_good(path: Path) -> bool:
    try:
        load(path, links=False)
    except CheckpointError:
        return False
    return True


def _place(path: Path, files: Mapping[str, Content], manifest: Future[bytes]) -> None:
    """Write, sync and verify under a temporary name, then rename to ``path``."""
    temporary = temporary_name(path.parent)
    os.mkdir(temporary)
    try:
        for name, content in files.items():
            write_verified(temporary / name, content)
        write_verified(temporary / MANIFEST, [manifest.result()])
        sync(temporary)
        if path.exists():
            _step_aside(path)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # nothing is there after the rename
    sync(path.parent)


def _step_aside(path: Path) -> None:
    """Free the name ``path``; what it held stays loadable as its ``~`` copy until the new one is in place."""
    former = path.with_name(path.name + "~")
    if former.exists():  # a replacement was interrupted before: keep the better of the two
        if not _is_good(path):
            _discard(path)
            return
        _discard(former)
    os.rename(path, former)


def _update_last(folder: Path, name: str) -> None:
    temporary = temporary_name(folder)
    try:
        write(temporary, [f"{name}\n".encode()])
        os.replace(temporary, folder / _LAST)
    finally:
        temporary.unlink(missing_ok=True)
    sync(folder)


def _prune(folder: Path, newest: Path, keep: int) -> None:
    """Delete what ``newest``, known to be good, makes superfluous: ``~`` copies and the oldest of the others."""
    older = [path for path in _checkpoints(folder) if path != newest and _step(path) <= _step(newest)]
    copies = [path for path in older if path.name.endswith("~")]
    others = [path for path in older if path not in copies]
    for path in copies + others[keep - 1 :]:
        _discard(path)


def _discard(path: Path) -> None:
    """Delete a checkpoint; renamed first, so that an interrupted deletion never looks like a damaged one."""
    temporary = temporary_name(path.parent)
    os.rename(path, temporary)
    remove(temporary)


def _checkpoints(folder: Path) -> list[Path]:
    """Return the folders named like checkpoints, newest first, a ``~`` copy after what replaced it."""
    entries = scan(folder)
    paths = [folder / e.name for e in entries if _STEP.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
    return sorted(paths, key=lambda path: (-_step(path), path.name))


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-").removesuffix("~"))
