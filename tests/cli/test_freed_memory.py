"""The start of a command: it keeps the memory that it frees, looks for no garbage among modules, and may be broken off."""

import platform
import signal
import subprocess
import sys

import pytest

from scorefield.cli import demo, main, memory

FAULTS = """
import resource, sys
{before}
held = [bytearray(8 << 20) for _ in range(6)]
def again():
    held.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held.extend(bytearray(8 << 20) for _ in range(6))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
again()
print(sum(again() for _ in range(5)))
"""
COMMAND = "from scorefield.cli.main import main; main(['no-such-command'])"
PAGES = 5 * 6 * (8 << 20) // 4096  # what is allocated again, and all of it touched


def faults(before: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(before=before)], capture_output=True, text=True, check=True, timeout=300
    )
    return int(done.stdout.split()[-1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's is left as it is")
def test_what_the_command_line_frees_it_uses_again() -> None:
    assert faults(COMMAND) < 0.02 * PAGES
    assert faults("pass") > 0.5 * PAGES  # without, the pages are gone


def test_without_glibc_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("no library should be asked"))
    memory.keep_freed()


COLLECTOR = """
import gc, sys
{before}
from scorefield.cli.main import main
main(['doctor'])
print('torch' in sys.modules, gc.isenabled(), gc.get_freeze_count() > 100_000)
"""


@pytest.mark.parametrize(
    ("before", "frozen"), [("", True), pytest.param("import torch", False, marks=pytest.mark.slow)]
)
def test_the_collector_never_sees_pytorch_unless_who_calls_has_loaded_it(before: str, frozen: bool) -> None:
    code = COLLECTOR.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.splitlines()[-1] == f"True True {frozen}"


def test_whoever_ends_the_demo_does_not_wait_for_a_look_through_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[object] = []
    monkeypatch.setattr(demo.atexit, "register", ends.append)
    monkeypatch.setattr(demo, "_serve", lambda *_: 0)
    assert main(["demo"]) == 0
    assert ends == [memory.gc.freeze]


def test_an_interrupt_waits_for_pytorch_to_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy, broken off within PyTorch's import, recursed without end afterwards, which was reported as a bug."""
    done: list[str] = []

    def imports(name: str) -> None:
        signal.raise_signal(signal.SIGINT)
        done.append(name)

    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(memory, "import_module", imports)
    monkeypatch.setattr(memory.gc, "freeze", lambda: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            memory.load_torch()
        assert done == ["torch"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, inherited)


INTERRUPTED = """
import sys
class Interrupt:
    def find_spec(self, name, *more):
        if name == "jsonargparse":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
import scorefield.cli
"""


def test_an_interrupt_before_there_is_a_command_is_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
