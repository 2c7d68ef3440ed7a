"""``python docs/generate``: write docs/_generated."""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS))

if __name__ == "__main__":
    from generate import write

    write(DOCS / "_generated")
