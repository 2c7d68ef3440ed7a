"""Where tests run: in a folder full of what others left there, without a home, without a network.

What a test needs it makes itself, in ``tmp_path``; addresses of this machine itself stay reachable.
"""

import ipaddress
import os
from pathlib import Path

import pytest

HOME = Path(__file__) / "home"
"""Below a file, so that nobody can make it or write there, not even root."""

LEFTOVERS = (
    *("configs/mnist.yaml", "data/mnist/train-images-idx3-ubyte.gz", "digits.png", "evaluation-mnist/evaluation.json"),
    *("manifest.json", "mnist/manifest.json", "org/name/manifest.json", "results/mnist/evaluation.json"),
    *("runs/manifest.json", "runs/mnist/checkpoints/step-00000001/manifest.json", "runs/quickstart/metrics.jsonl"),
    *("samples.png", "scorefield/pyproject.toml", "toy-circle/metrics.json", "x.png"),
)
"""Files under names that commands and tests write, read, or could take for something else."""

_CACHES = ("HF_", "HUGGINGFACE_", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR", "TORCH_HOME", "TRITON_", "XDG_")
_NOBODY = ("127.0.0.1", 1)  # no one listens there
_ASKING = ("socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg")
_RESOLVING = ("socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname")


def leave_home() -> None:
    """Take home, terminal, caches and web from this process and from those it starts: their web clients find a proxy that is dead."""
    for name in [name for name in os.environ if name.startswith(_CACHES)]:
        del os.environ[name]
    web = {f"{scheme}_proxy": "http://{}:{}".format(*_NOBODY) for scheme in ("http", "https", "all")}
    web |= {"no_proxy": "localhost,127.0.0.1,::1"}
    os.environ.pop("TERM", None)
    os.environ |= {"HOME": str(HOME), **web, **{name.upper(): value for name, value in web.items()}}


def refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """Fail the test that asks for another machine: an audit hook, which no library gets round.

    The failure is not an `Exception`, so that code which takes every error of a network for an answer does not swallow it.
    """
    if event not in _ASKING + _RESOLVING:
        return
    address = arguments[1] if event in _ASKING else arguments
    host = address[0] if isinstance(address, tuple) else None  # a path: a socket of this machine
    host = host.decode() if isinstance(host, bytes) else host
    if isinstance(host, str) and (not _is_here(host) or address == _NOBODY):
        pytest.fail(f"{event} {address}: the network was asked; a test talks to this machine alone")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
