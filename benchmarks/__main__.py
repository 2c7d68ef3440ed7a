"""``python -m benchmarks [SUITE ...]``: run benchmarks on this machine and rewrite benchmarks/README.md from what was measured.

All of them, when none is named, but the peers: those need other libraries, see `benchmarks.peers`.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

import torch

from benchmarks import checkpoints, exact, growth, ncsn_step, overhead, training
from benchmarks.peers import likelihood, networks, sampling
from benchmarks.peers import training as peer_training
from benchmarks.timing import Row

HERE = Path(__file__).parent
INTRODUCTION = """# Benchmarks

Written by `make bench`; every number was measured, none was typed. Ratios come from one run on one machine, the two sides in
turn; the spread is the range of the middle half of the rounds. Machines are noisy: read the ratio first.
"""
SUITES = {
    "training": training.run,
    "overhead": overhead.run,
    "exact": exact.run,
    "checkpoints": checkpoints.run,
    "ncsn": ncsn_step.run,
    "growth": growth.run,
    "peers-training": peer_training.run,
    "peers-networks": networks.run,
    "peers-sampling": sampling.run,
    "peers-likelihood": likelihood.run,
}


def main() -> None:
    """Measure, then write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], help="which; all but the peers by default")
    names = parser.parse_args().suites or [name for name in SUITES if not name.startswith("peers")]
    stored = HERE / "results.json"
    results = json.loads(stored.read_text()) if stored.exists() else {}
    for name in names:
        results[name] = {"machine": machine(), "rows": [row._asdict() for row in SUITES[name]()]}
    stored.write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "README.md").write_text(render(results))


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


def render(results: dict) -> str:
    """Return the page."""
    lines = [INTRODUCTION]
    for name, suite in results.items():
        about = sys.modules[SUITES[name].__module__].__doc__ or ""
        lines += [f"## {name}", "", about.strip(), "", f"Measured on {suite['machine']}.", ""]
        lines += ["| what | median | unit | time, ratio to baseline | spread |", "|---|---|---|---|---|"]
        for values in suite["rows"]:
            if "value" not in values:
                lines.append(f"| {values['what']} | | | | |")
                continue
            row = Row(**values)
            spread = "" if row.low is None else f"{row.low:.3f} – {row.high:.3f}"
            ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
            lines.append(f"| {row.what} | {row.value:.4g} | {row.unit} | {ratio} | {spread} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
