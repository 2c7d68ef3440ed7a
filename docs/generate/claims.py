"""The page of claims: what a paper says, how it is measured and judged, numbers, figure and verdict, all from code and results."""

import ast
import json
from pathlib import Path
from typing import Any

from generate.drawing import save_table
from scorefield_claims.catalogue import CLAIMS, module_of
from scorefield_claims.wording import in_words

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "reproduce"
VERDICTS = {
    "PASS": "holds",
    "HOLDS_ONLY_IF": "holds only if …",
    "FAIL": "does not hold",
    "CANNOT_BE_TOLD": "cannot be told",
}


def write(folder: Path) -> None:
    """Write the summary, and a section per claim."""
    found = {name: json.loads((RESULTS / name / "result.json").read_text(encoding="utf-8")) for name in CLAIMS}
    rows = [[f"[{name}](#{name})", result["claim"], VERDICTS[result["verdict"]]] for name, result in found.items()]
    save_table(folder, "verdicts", ["name", "claim", "verdict"], rows)
    (folder / "claims.inc").write_text("\n".join(map(_section, found.values())), encoding="utf-8")


def _section(result: dict[str, Any]) -> str:
    """Return what was found about one claim: question, rule, numbers, figure and verdict."""
    name, minutes = result["name"], result["seconds"] / 60
    settings = ", ".join(f"{key} = {value}" for key, value in result["recipe"].items())
    measures = "\n".join(f"| {what} | {in_words(value)} |" for what, value in result["measures"].items())
    return f"""
({name})=
## {name}

**{result["claim"]}** {result["source"]}.

**How it is measured, and by which thresholds.** {_method(name)}

**Measured**, in brackets the 95 % interval where chance was part of it:

| number | value |
|---|---|
{measures}

![{name}](../results/reproduce/{name}/figure.png)

**Verdict: {VERDICTS[result["verdict"]]}.** {result["reason"]}.

Settings of this measurement, thresholds included: `{settings}`.

```console
scorefield reproduce {name} --budget {result["budget"]}   # took {minutes:.0f} min where this was measured
```
"""


def _method(name: str) -> str:
    """Return what the module of a claim says of itself."""
    source = (ROOT / "src" / Path(*module_of(name).split("."))).with_suffix(".py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""
