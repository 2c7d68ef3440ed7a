"""What a result rests on, found without running anything: `Basis.key` names the result, and two of them tell what changed.

recipe   how the claim is measured at a budget, as its module states it
torch    the release of PyTorch, 2.13: random streams and kernels may change with it. They do not with a patch or a build, and what
NumPy and SciPy add is rounding, so that neither makes a result stale; results record where they were measured all the same
models   the shipped weights it names
code     every module that the claim's module reaches, by `scorefield_claims.closure`: without comments, and what it never uses
"""

import ast
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from scorefield_claims.catalogue import module_of
from scorefield_claims.closure import Sources, digest

__all__ = ["PACKAGES", "Basis", "basis"]

PACKAGES = {name: Path(str(files(name))) for name in ("scorefield", "scorefield_claims")}
"""Where the code is that results rest on."""


@dataclass(frozen=True)
class Basis:
    """Digests of what a result rests on; models and code by name."""

    recipe: str
    torch: str
    models: Mapping[str, str]
    code: Mapping[str, str]

    @property
    def key(self) -> str:
        """The hash of all."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def changes(self, before: Mapping[str, object]) -> list[str]:
        """Return what is not as it was in an older basis, as JSON has it: names of modules and models, "recipe", or PyTorch's releases."""
        changed = ["recipe"] if before["recipe"] != self.recipe else []
        changed += [f"torch {before['torch']} → {self.torch}"] if before["torch"] != self.torch else []
        for now, then in ((self.models, before["models"]), (self.code, before["code"])):
            assert isinstance(then, Mapping)  # noqa: S101 as `Basis` has them
            changed += sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
        return changed


def basis(name: str, budget: str) -> Basis:
    """Return what a claim's result at a budget rests on, of the sources as this process first read them.

    Raises:
        LookupError: its module states no ``CLAIM = Claim(...)`` with a measure, and a recipe of that budget, by keyword.
    """
    module = module_of(name)
    stated = _stated(_sources().tree(module))
    if not {"measure", budget} <= stated.keys():
        raise LookupError(
            f"{module} must state CLAIM = Claim(..., measure=..., {budget}=...); found {sorted(stated) or 'no CLAIM'}"
        )
    models = ast.literal_eval(stated["models"]) if "models" in stated else ()
    return Basis(
        recipe=digest(stated["measure"], stated[budget]),
        torch=".".join(version("torch").split(".")[:2]),
        models={model: _weights(model) for model in models},
        code=_sources().reached(module),
    )


@cache
def _sources() -> Sources:
    """Return the code; CLAIM's statement and source are words, and of its recipes a result rests on its own."""
    return Sources(PACKAGES, apart={"CLAIM"})


def _stated(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the keywords of the claim that a module states."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name("CLAIM")], value=ast.Call(keywords=keywords)):
                return {keyword.arg: keyword.value for keyword in keywords if keyword.arg}
    return {}


def _weights(model: str) -> str:
    """Return the hash of a shipped model: of the manifest, which has those of its files."""
    return hashlib.sha256((PACKAGES["scorefield"] / "weights" / model / "manifest.json").read_bytes()).hexdigest()[:16]
