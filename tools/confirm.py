"""Say of stored results that code or shipped models have changed since, and their numbers have not: ``python -m tools.confirm [NAME ...]``.

The tiny recipe of each claim whose result is stale is measured twice on this machine, with the code and the models of the commit that the
result was measured at and with those of HEAD. Where all numbers agree, result.json names HEAD as confirming it: a model may have gained a
decoder, which the claim does not ask; with other weights whatever is drawn is another. Nothing is confirmed of another recipe, other models
or another PyTorch, nor of a result too old to say what it rests on: that is to be measured again. A change that acts in large measurements
alone is not seen.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from scorefield_claims.base import Claim
from scorefield_claims.basis import Basis, basis
from scorefield_claims.catalogue import CLAIMS, module_of
from scorefield_claims.results import Result, as_text, standing
from scorefield_claims.store import find, source

HERE = Path(__file__).parents[1]
RESULTS = HERE / "results" / "reproduce"
_CLOSE = 1e-5  # of a number: more than the order of a sum does, less than any error that is quoted
_MEASURE = """
import ast, json, sys
from dataclasses import replace
from importlib import import_module
claim = import_module(sys.argv[1]).CLAIM
found = claim.measure(replace(claim.small, **ast.literal_eval(sys.argv[2])))
measures = {name: [number.value, number.error] for name, number in found.measures.items()}
print(json.dumps({"measures": measures, "rows": [dict(row) for row in found.rows]}))
"""  # runs with older code, too


def main(names: list[str]) -> None:
    """Confirm what can be, and say what cannot and why."""
    here = source()
    if here["git"] is None or here["dirty"]:
        raise SystemExit(f"only a commit can confirm results; not as in it are {here['dirty'] or 'all files'}")
    for name in names or CLAIMS:
        if standing(name, RESULTS).state == "stale":
            path = RESULTS / name / "result.json"
            result = json.loads(path.read_text(encoding="utf-8"))
            now = basis(name, result["budget"])
            try:
                why = unconfirmed(find(name), result, now)
            except RuntimeError as error:
                why = str(error)
            if not why:
                path.write_text(
                    as_text({**result, "confirmed": {"key": now.key, "git": here["git"]}}), encoding="utf-8"
                )
            print(f"{name}: {why or 'confirmed'}", flush=True)


def unconfirmed(claim: Claim[Any], result: Result, now: Basis) -> str:
    """Return why a result is not confirmed; "" if it is."""
    before, commit = result.get("basis"), result["environment"]["git"]
    if not before:
        return "it does not say what it rests on"
    models = before["models"] if before["models"].keys() == now.models.keys() else now.models
    beyond = replace(now, code=before["code"], models=models).changes(before)
    if beyond:
        return f"more than code and models has changed: {', '.join(beyond)}"
    small = asdict(claim.small)
    settings = repr({name: value for name, value in asdict(claim.tiny).items() if value != small[name]})
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "then"
        _run("git", "worktree", "add", "--detach", str(tree), commit)
        try:
            then = measured(tree / "src", module_of(claim.name), settings)
        finally:
            _run("git", "worktree", "remove", "--force", str(tree))
    differing = list(differences(then, measured(HERE / "src", module_of(claim.name), settings)))
    return f"{len(differing)} numbers are not as at {commit}: {'; '.join(differing[:3])}" if differing else ""


def measured(sources: Path, module: str, settings: str) -> dict[str, Any]:
    """Return the numbers of a claim as the code in a folder measures them.

    Raises:
        RuntimeError: it does not, as where settings have another name there.
    """
    return json.loads(_run(sys.executable, "-c", _MEASURE, module, settings, PYTHONPATH=str(sources)).splitlines()[-1])


def differences(then: object, now: object, name: str = "") -> Iterator[str]:
    """Yield where two nested values differ, and how."""
    match then, now:
        case (dict(), dict()) if then.keys() == now.keys():
            for key, value in then.items():
                yield from differences(value, now[key], f"{name}/{key}")
        case (list(), list()) if len(then) == len(now):
            for index, (value, other) in enumerate(zip(then, now, strict=True)):
                yield from differences(value, other, f"{name}/{index}")
        case (float(), float()) if math.isclose(then, now, rel_tol=_CLOSE) or (math.isnan(then) and math.isnan(now)):
            pass
        case _ if then != now:
            yield f"{name.strip('/')} {then} then, {now} now"


def _run(*command: str, **environment: str) -> str:
    """Return what a command prints."""
    ran = subprocess.run(command, cwd=HERE, env=os.environ | environment, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command[:3])}: {ran.stderr.strip().splitlines()[-1:]}")
    return ran.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
