"""E3, E8: configurations and arguments from anywhere are taken, or refused in few words that say where; nothing else happens."""

import json
import random
import re
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from scorefield.cli import main
from scorefield.cli.kinds import table
from scorefield.config import RunConfig, to_yaml
from scorefield.config.rooms import ROOMS
from scorefield.errors import ConfigError
from scorefield.runs import RunFolder

TAKEN, REFUSED = 0, 2
shares = pytest.mark.parametrize(  # 10 000 in ten tests, so that no share of the slow ones is much longer than others
    ("count", "share"), [(50, 0), *(pytest.param(1_000, share, marks=pytest.mark.slow) for share in range(1, 11))]
)


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import what the first call would, so that calls can be timed."""
    main(["train", "--print_config"])
    for command in ("quickstart", "sample", "suggest"):
        import_module(f"scorefield.cli.{command}")


def answer(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str]:
    """Run a command that must end well or be refused in words; return its code and what it said on stderr."""
    sys.stderr.reconfigure(errors="backslashreplace")  # as the interpreter's own
    began = time.process_time()
    try:
        code = main(arguments)
    except SystemExit as stop:  # --help
        code = int(stop.code or 0)
    seconds = time.process_time() - began
    out, err = capsys.readouterr()
    assert code in (TAKEN, REFUSED), (arguments, code, err[-2000:])
    assert "Traceback" not in out + err, (arguments, err)
    assert (code == TAKEN) == (err == ""), (arguments, err)
    assert err.count("\n") <= 20, (arguments, err)
    assert len(err) < 2000 or len(str(arguments)) > 1000, (arguments, err)
    assert seconds < 5, (arguments, seconds)  # of this process; the first asks for imports of a second or two
    return code, err


def read(capsys: pytest.CaptureFixture[str], path: Path, text: bytes) -> int:
    """Give the command line a configuration; a refusal must name a key or a line of it."""
    path.write_bytes(text)
    code, err = answer(capsys, ["train", "--config", str(path), "--print_config"])
    if code == REFUSED:
        whole = r"not UTF-8 text \(byte|expected a mapping|expected the name|a configuration has at most"
        assert re.match(rf"scorefield: {re.escape(str(path))}(, line \d+: |: (\S.*: |{whole}))", err), (text, err)
    return code


BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [*{chr(97 + k)}, *{chr(97 + k)}]" for k in range(20)
)
CORPUS = {
    "python tag": b"seed: !!python/object/apply:os.system [touch marker]",
    "python tag, nested": b"train: {steps: !!python/name:os.system ''}",
    "class_path": b"network: {class_path: os.system, init_args: {command: touch marker}}",
    "tag of a type": b"seed: !!timestamp x",
    "alias bomb": BOMB.encode(),
    "merge bomb": b"a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc: {<<: [*b, *b]}",
    "10^4 lists": b"a: " + b"[" * 10_000,
    "10^4 mappings": b"{a: " * 10_000,
    "10^4 indents": b"\n".join(b" " * k + b"a:" for k in range(500)),
    "10^4 dashes": b"- " * 10_000,
    "duplicate key": b"seed: 1\nseed: 2",
    "duplicate key within": b"train: {steps: 1, steps: 2}",
    "20 000 keys": b"".join(b"k%d: 1\n" % k for k in range(2_000)),
    "nan": b"train: {learning_rate: .nan}",
    "inf": b"process: {sigma_max: .inf}",
    "1e400": b"process: {sigma_max: 1e400}",
    "-1e400": b"process: {sigma_max: -1e400}",
    "400 digits": b"train: {steps: " + b"9" * 400 + b"}",
    "5000 digits": b"train: {steps: " + b"9" * 5_000 + b"}",
    "base 60": b"seed: 1" + b":59" * 60_000,
    "no such day": b"comment: {a: 2026-13-45}",
    "nul": b"comment: a\0b",
    "escape": b'comment: "\x1b[31m"',
    "a key that would paint": b'"\\e[31m\\nscorefield: all is well": 1',
    "a kind that would paint": b'process: {kind: "\\e[31m\\n\\n\\n"}',
    "a key of 60 000 letters": b"? " + b"a" * 60_000 + b"\n: 1",
    "latin-1": b"comment: caf\xe9",
    "utf-16": "seed: 3".encode("utf-16"),
    "half a BOM": b"\xef\xbbseed: 3",
    "two documents": b"seed: 1\n---\nseed: 2",
    "a list": b"- 1",
    "text": b"hello",
    "key of a number": b"1: 2",
    "key of a list": b"? [1]\n: 2",
    "set": b"data: !!set {a, b}",
    "50 MB": b"#" * 50_000_000,
    "50 MB of a list": b"a: [" + b"1," * 25_000_000,
    "surrogate": b'name: "\\ud800"',
}


@pytest.mark.promise("E3")
@pytest.mark.parametrize("case", CORPUS)
def test_what_nobody_writes_is_refused_in_one_line(capsys, tmp_path: Path, case: str):
    assert read(capsys, tmp_path / "config.yaml", CORPUS[case]) == REFUSED
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.promise("E3")
@pytest.mark.parametrize(
    "text",
    [b"\xef\xbb\xbfseed: 3\r\ncomment: x\r\n", b"", b"\n# nothing\n", b"comment: 2026-11-27", b"name: 2026-11-27"],
)
def test_marks_line_ends_and_days_are_read(capsys, tmp_path: Path, text: bytes):
    assert read(capsys, tmp_path / "config.yaml", text) == TAKEN


@pytest.mark.promise("E3")
def test_a_device_without_end_is_refused(capsys):
    assert "at most" in answer(capsys, ["train", "--config", "/dev/zero", "--print_config"])[1]


BASES = [
    to_yaml(RunConfig.model_validate(values)).encode()
    for values in (
        {},
        {"process": "vp", "network": "mlp", "sampling": {"sampler": "pc"}},
        {"model": "ladder", "process": "ve", "network": "ncsnv2", "sampling": {"sampler": "ald"}},
        {
            "data": {"kind": "density", "density": "moons"},
            "objective": "ssmvr",
            "sampling": {"sampler": {"kind": "mala", "step_size": 0.1}},
        },
    )
]
JUNK = [
    b"",
    b"0",
    b"9" * 20,
    b"1e400",
    b"-",
    b": ",
    b"{",
    b"]",
    b"\0",
    b"\xff",
    b"&a ",
    b"*a",
    b"| ",
    b"\n  - ",
    b".nan",
]


def mutated(text: bytes, chance: random.Random) -> bytes:
    """Return bytes with up to four places changed, cut, doubled, moved or overwritten."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        other = at + chance.randint(0, 30)
        text = [
            text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :],
            text[:at] + text[other:],
            text[:at] + chance.choice(JUNK) + text[at:],
            text[:at] + chance.choice(JUNK) + text[other:],
            text[:other] + text[at:],
        ][chance.randrange(5)]
    return text


@pytest.mark.promise("E3")
@shares
def test_fuzzed_bytes_are_taken_or_refused(capsys, tmp_path: Path, count: int, share: int):
    chance = random.Random(3 + share)
    taken = sum(
        read(capsys, tmp_path / "config.yaml", mutated(chance.choice(BASES), chance)) == TAKEN for _ in range(count)
    )
    assert 0 < taken < count
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


NUMBERS = [0, 1, -1, 3, 2**31, 2**63, 10**400, 0.0, -0.5, 1e-300, 1e308, float("nan"), float("inf"), float("-inf")]
WORDS = [
    "",
    "a\0b",
    "x" * 300,
    "!!int 3",
    *["ve", "heun", "none", "1e400", "🦆", "../x", "2026-11-27", "yes", "[1", "{{}}"],
]
ATOMS = st.sampled_from([None, True, False, *NUMBERS, *WORDS])
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "levels", "x", 1]), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = sorted({kind for room in ROOMS.values() for kind in room.makers})


def section(name: str) -> st.SearchStrategy[object]:
    """Sections with the names of this part's kinds and settings, mostly, and any values."""
    told = table().get(name, {})
    kinds = {
        kind: list(entry["settings"]) for kind, entry in told.items() if isinstance(entry, dict) and "settings" in entry
    }
    names = sorted({setting for found in kinds.values() for setting in found} | (set() if kinds else set(told)))
    said = st.dictionaries(st.sampled_from([*names, "bogus"]), VALUES | st.sampled_from([1, 0.5, "auto"]), max_size=3)
    known = st.sampled_from([*kinds, *kinds, *KINDS, 3, None] if kinds else ["path", "digits", None])
    mapping = st.builds(lambda kind, found: found if kind is None else {"kind": kind, **found}, known, said)
    return mapping | VALUES | known


def sampling() -> st.SearchStrategy[object]:
    parts = st.dictionaries(
        st.sampled_from(["sampler", "grid", "steps", "kind"]), section("sampler") | section("grid"), max_size=3
    )
    return parts | VALUES


SECTIONS = {name: section(name) for name in ("data", "process", "network", "model", "objective", "train", "guide")}
CONFIGURATIONS = st.lists(
    st.sampled_from([*SECTIONS, "sampling", "seed", "name", "comment", "bogus"]), min_size=1, max_size=3, unique=True
).flatmap(
    lambda names: st.fixed_dictionaries(
        {name: sampling() if name == "sampling" else SECTIONS.get(name, VALUES) for name in names}
    )
)


def fuzzed(count: int) -> settings:
    phases = (Phase.generate,)  # a failure shows its arguments; to shrink them takes minutes
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count, deadline=None, database=None, phases=phases, suppress_health_check=health)


@pytest.mark.promise("E3")
@shares
def test_settings_of_any_type_are_taken_or_refused_by_name(capsys, tmp_path: Path, count: int, share: int):
    codes: list[int] = []

    @seed(share)
    @fuzzed(count)
    @given(CONFIGURATIONS, st.booleans())
    def attack(values: dict[str, object], flow: bool) -> None:
        text = yaml.safe_dump(values, default_flow_style=flow, allow_unicode=True)
        codes.append(read(capsys, tmp_path / "config.yaml", text.encode("utf-8", "surrogatepass")))

    attack()
    assert {TAKEN, REFUSED} == set(codes)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def dotted() -> Iterator[str]:
    """Names of options of train, and of settings in all depths."""
    yield from (
        "--config",
        "--seed",
        "--name",
        "--comment",
        "--device",
        "--data-dir",
        "--run",
        "--resume",
        "--override",
    )
    yield from ("--dry-ran", "--print_config", "--help", "--", "-", "-n", "--plugin", "--seed=", "--data=")
    for name in (*SECTIONS, "sampling", "sampling.sampler", "sampling.grid", "objective.times", "data.density"):
        yield f"--{name}"
        yield from (f"--{name}.{key}" for key in ("kind", "levels", "steps", "sigma_max", "x.y.z", "", ".", "steps=3"))


TEXTS = [
    *map(str, NUMBERS[:-1]),
    *WORDS,
    *(
        "{kind: ve}",
        '{"kind": "ve"}',
        "{a: &a [1], b: *a}",
        "[" * 2_000,
        "- " * 30_000,
        "!!python/name:os.system",
        "&a",
        "*a",
    ),
    *(
        "null",
        "-3",
        ".nan",
        "1e400",
        "9" * 5_000,
        "\udce9",
        "/dev/null",
        "/proc/self/mem",
        ".",
        "{1: 2}",
        "{{a: b}: c}",
        "?",
    ),
]
ARGUMENTS = st.lists(
    st.tuples(st.sampled_from(sorted(dotted())), st.sampled_from(TEXTS)).map(list)
    | st.builds(lambda name, text: [f"{name}={text}"], st.sampled_from(sorted(dotted())), st.sampled_from(TEXTS))
    | st.sampled_from(TEXTS).map(lambda text: [text])
    | st.text(max_size=8).map(lambda text: [f"--{text}"]),
    max_size=3,
).map(lambda parts: [word for part in parts for word in part])
COMMANDS = (
    "train",
    "sample",
    "inpaint",
    "solve",
    "impute",
    "evaluate",
    "likelihood",
    "compress",
    "suggest",
    "reproduce",
    "convert",
    "doctor",
    "toy",
)


@pytest.mark.promise("E3")
@shares
def test_arguments_are_taken_or_refused(capsys, count: int, share: int):
    """``train`` prints what it understood, and stops; every other command is given an option that it does not have."""
    codes: list[int] = []

    @seed(share)
    @fuzzed(count)
    @given(st.sampled_from([*["train"] * len(COMMANDS), *COMMANDS, "", "x"]), ARGUMENTS)
    def attack(command: str, arguments: list[str]) -> None:
        if command == "train":
            code, err = answer(capsys, [command, *arguments, "--print_config"])
        else:
            code, err = answer(capsys, [command, "--no-such-option", *arguments])
        codes.append(code)
        assert code == TAKEN or re.match(r"scorefield: .*[\w'\"-]", err), err

    attack()
    assert {TAKEN, REFUSED} == set(codes)


NAMES = [
    "../escape",
    "/absolute",
    "a\0b",
    "n" * 300,
    "",
    ".",
    "..",
    " ",
    "a b",
    "naïve ∇",
    "-x",
    "~",
    "a\nb",
    "a/b",
    "$(id)",
    ";ls",
]


@pytest.mark.promise("E8")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_run_is_a_name_and_no_path(capsys, tmp_path: Path, monkeypatch, name: str):
    monkeypatch.chdir(tmp_path)
    code, err = answer(capsys, ["train", f"--name={name}", "--data.kind", "digits", "--fast-dev-run"])
    assert code == REFUSED
    assert "name" in err or "NUL" in err
    assert list(tmp_path.iterdir()) == []


FOLDERS = [
    "{}/file",
    "{}/file/below",
    "/dev/null/below",
    "/proc/nowhere",
    "{}/a\0b",
    "{}/" + "n" * 300,
    "{}/" + "n/" * 3000,
]


@pytest.mark.promise("E8")
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    "command",
    [
        [
            "train",
            "--data.kind",
            "digits",
            "--network.width",
            "8",
            "--network.depth",
            "1",
            "--device",
            "cpu",
            "--fast-dev-run",
            "--run={}",
        ],
        ["quickstart", "--run={}"],
        ["train", "--print_config", "--config={}"],
        ["train", "--print_config", "--plugin={}"],
        ["sample", "{}"],
        ["sample", "digits", "-n=1", "--steps=1", "--out={}.png"],
        ["suggest", "digits", "--out={}"],
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_a_path_that_cannot_be_is_refused_in_one_line(capsys, tmp_path: Path, command: list[str], folder: str):
    (tmp_path / "file").write_text("seed: no number")
    path = folder.format(tmp_path / "none" if "--out" in command[-1] else tmp_path)
    code, _ = answer(capsys, [word.replace("{}", path) for word in command])
    assert code == REFUSED
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.mark.promise("E8")
def test_a_run_folder_is_one_that_every_library_can_name(tmp_path: Path):
    with pytest.raises(ConfigError, match="surrogates"):
        RunFolder(tmp_path / "\udce9")


def test_what_a_configuration_says_reads_back_from_its_print(capsys, tmp_path: Path):
    for comment in ("1e-3", "2026-11-27", "1:30", "yes", "~", "=", "<<", "a: b", "\x1b", "é\u2028\r\n", "\x85", ""):
        assert main(["train", f"--comment={comment}", "--print_config"]) == 0
        (tmp_path / "x.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
        assert main(["train", "--config", str(tmp_path / "x.yaml"), "--print_config"]) == 0
        assert yaml.safe_load(capsys.readouterr().out)["comment"] == comment, json.dumps(comment)
