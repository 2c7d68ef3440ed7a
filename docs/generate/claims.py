"""The page of claims: what a paper says, what was measured, the verdict and the figure, all from results/reproduce."""

import json
from pathlib import Path
from typing import Any

from generate.drawing import save_table
from scorefield_claims.catalogue import CLAIMS

RESULTS = Path(__file__).parents[2] / "results" / "reproduce"
VERDICTS = {"PASS": "holds", "FAIL": "does not hold", "HOLDS_ONLY_IF": "holds only if …"}


def write(folder: Path) -> None:
    """Write the summary, and a section per claim."""
    found = {name: json.loads((RESULTS / name / "result.json").read_text(encoding="utf-8")) for name in CLAIMS}
    rows = [[f"[{name}](#{name})", result["claim"], VERDICTS[result["verdict"]]] for name, result in found.items()]
    save_table(folder, "verdicts", ["name", "claim", "verdict"], rows)
    (folder / "claims.inc").write_text("\n".join(map(_section, found.values())), encoding="utf-8")


def _section(result: dict[str, Any]) -> str:
    """Return what was found about one claim."""
    name, minutes = result["name"], result["seconds"] / 60
    return f"""
({name})=
## {name}

**{result["claim"]}** {result["source"]}.

*{VERDICTS[result["verdict"]].capitalize()}*: {result["reason"]}.

![{name}](../results/reproduce/{name}/figure.png)

```console
scorefield reproduce {name} --budget {result["budget"]}   # took {minutes:.0f} min where this was measured
```
"""
