"""Install extras, each in a fresh environment against the torch of constraints.txt, and use them: ``python -m tools.extras [NAME ...]``.

All of them, those named, or ``--turn N``: the one whose turn it is, so that CI installs each in its time. torch comes first, pinned, and
is the same afterwards to the byte; it is a build for no GPU, and torchvision is never installed.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = tuple(PROJECT["optional-dependencies"])

TORCH = """
import hashlib, torch
from importlib.metadata import distribution
print(torch.__version__, torch.version.cuda, hashlib.sha256(distribution("torch").read_text("RECORD").encode()).hexdigest())
"""
USE = """
import importlib, pkgutil, sys
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec
assert find_spec("torchvision") is None, "torchvision was installed"
for package in map(importlib.import_module, ("scorefield", "scorefield_claims")):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        served = found.name in ("scorefield.app.guard", "scorefield.app.server")  # which is what the extra demo is for
        if not found.name.endswith("__main__") and (not served or find_spec("fastapi")):
            importlib.import_module(found.name)
for name in sys.argv[1:]:
    distribution(name)
"""


def check(extra: str, folder: Path) -> None:
    """Install one extra into a new environment in ``folder``, and use it.

    Raises:
        subprocess.CalledProcessError: pip, an import or the command line failed.
        AssertionError: another torch is there afterwards, or torchvision.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
    python = folder / "bin" / "python"
    _pip(python, "torch")
    before = _python(python, TORCH)
    assert before.split()[1] == "None", f"torch of constraints.txt is a build for CUDA here: {before}"  # noqa: S101
    _pip(python, f"{ROOT}[{extra}]")
    after = _python(python, TORCH)
    assert after == before, f"{extra}: torch was {before}, and is {after}"  # noqa: S101
    _python(python, USE, *_packages(extra))
    _python(python, "from scorefield.cli import main; raise SystemExit(main(['doctor']))")
    print(f"{extra}: installed beside torch {' '.join(after.split()[:2])}, which is as it was")


def _packages(extra: str) -> list[str]:
    """Return the names of what an extra asks for, but for the extras of our own."""
    asked = [line.partition(";")[0] for line in PROJECT["optional-dependencies"][extra]]
    names = [line.partition("[")[0].partition(">")[0].partition("=")[0].strip() for line in asked]
    return [name for name in names if name != PROJECT["name"]]


def _pip(python: Path, what: str) -> None:
    options = ("--quiet", "--no-input", "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt"))
    subprocess.run([python, "-m", "pip", "install", *options, what], check=True)  # noqa: S603


def _python(python: Path, code: str, *arguments: str) -> str:
    """Return what code prints in another environment; its errors go to the terminal."""
    done = subprocess.run(  # noqa: S603
        [python, "-c", code, *arguments], check=True, stdout=subprocess.PIPE, text=True, cwd=python.parent
    )
    return done.stdout.strip()


def main() -> None:
    """Check what was asked for."""
    parser = argparse.ArgumentParser(description="Install extras, each in a fresh environment, and use them.")
    parser.add_argument("names", nargs="*", choices=[*EXTRAS, []], metavar="NAME", help=f"of {', '.join(EXTRAS)}; all")
    parser.add_argument("--turn", type=int, metavar="N", help="the N-th, counted round and round")
    args = parser.parse_args()
    chosen = args.names or EXTRAS
    for extra in chosen if args.turn is None else [chosen[args.turn % len(chosen)]]:
        with tempfile.TemporaryDirectory() as folder:
            check(extra, Path(folder))


if __name__ == "__main__":
    main()
