"""Judge stored results again by the present rule, without measuring: ``python -m tools.judge`` rewrites verdict and reason."""

import json
from pathlib import Path

from scorefield_claims.catalogue import CLAIMS
from scorefield_claims.results import as_text
from scorefield_claims.store import find, judged

RESULTS = Path(__file__).parents[1] / "results" / "reproduce"


def main() -> None:
    """Rewrite every result whose verdict or reason changed."""
    for name in CLAIMS:
        path = RESULTS / name / "result.json"
        before = json.loads(path.read_text(encoding="utf-8"))
        after = judged(find(name), before)
        if after != before:
            path.write_text(as_text(after), encoding="utf-8")
            print(f"{name}: {before['verdict']} -> {after['verdict']}: {after['reason']}")


if __name__ == "__main__":
    main()
