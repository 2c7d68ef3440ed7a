"""``python -m benchmarks [SUITE ...]``: run benchmarks on this machine and rewrite benchmarks/README.md from what was measured.

All of them, when none is named, but the peers: those need other libraries, see `benchmarks.peers`.
"""

import argparse
import json
import platform

import torch

from benchmarks import page
from benchmarks.page import STORED, SUITES


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], help="which; all but the peers by default")
    names = parser.parse_args().suites or [name for name in SUITES if not name.startswith("peers")]
    results = page.read(STORED, {})
    for name in names:
        results[name] = {"machine": machine(), "rows": [row._asdict() for row in SUITES[name]()]}
    STORED.write_text(json.dumps(results, indent=2) + "\n")
    page.write()


def machine() -> str:
    """Return what the timings depend on."""
    cpu = torch.backends.cpu.get_cpu_capability()
    bf16 = (
        "AMX"
        if torch.cpu._is_amx_tile_supported()
        else "AVX512-BF16"
        if torch.cpu._is_avx512_bf16_supported()
        else "none"
    )
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {cpu}, native bfloat16: {bf16}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
