"""The page of claims: what a paper says, how it is measured and judged, numbers, figure and verdict, all from code and results."""

import json
from pathlib import Path
from typing import Any

from generate.drawing import save_table
from scorefield_claims.catalogue import CLAIMS
from scorefield_claims.wording import caption, method, numbers, reason

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
    verdict, said = VERDICTS[result["verdict"]], reason(result)
    ending = (
        f"**Verdict: {verdict[:-2]}** {said}."
        if verdict[-1] == "…"
        else f"**Verdict: {verdict}.** {said[0].upper()}{said[1:]}."
    )
    settings = ", ".join(f"{key} = {value}" for key, value in result["recipe"].items())
    measures = "\n".join(f"| {what} | {value} |" for what, value in numbers(result).items())
    return f"""
({name})=
## {name}

**{result["claim"]}** {result["source"]}.

**How it is measured, and by which thresholds.** {method(name)}

**Measured**, in brackets the 95 % interval where chance was part of it:

| number | value |
|---|---|
{measures}

```{{figure}} ../results/reproduce/{name}/figure.png
:alt: Figure of the claim {name}
{caption(name)}
```

{ending}

Settings of this measurement, thresholds included: `{settings}`.

```console
scorefield reproduce {name} --budget {result["budget"]}   # took {minutes:.0f} min where this was measured
```
"""
