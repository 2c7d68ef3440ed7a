"""Configuration text from anywhere: plain data or one clear line, never code, never a traceback."""

from pathlib import Path

import pytest

from scorefield.config import RunConfig, merge, parse_yaml, read_yaml, to_yaml, validate
from scorefield.config.rooms import OBJECTIVE
from scorefield.errors import ConfigError

BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [*{chr(97 + k)}, *{chr(97 + k)}]" for k in range(20)
)


@pytest.mark.promise("E3")
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: 1\na: 2", "twice"),
        ("train: {steps: 1, steps: 2}", "twice"),
        (BOMB, "aliases"),
        ("x: !!python/object/apply:os.system [echo]", "tags"),
        ("a: " + "[" * 10_000, "nest"),
        ("a: [" + "{b: " * 40 + "1" + "}" * 40 + "]", "deep"),
        ("- 1\n- 2", "mapping"),
        ("just text", "mapping"),
        ("1: 2", "key 1"),
        ("a: [1, 2", "line"),
        ("a: 1\n\tb: 2", "line"),
        ("b: 1\na: \x00", "line 2: not valid YAML"),
        ("? [1, 2]\n: 3", "not valid YAML"),
        ("a: !!timestamp x", "tags"),
        ("a: " + "9" * 5000, "not a number"),
        ("data:\n\tkind: mnist", "the line has a tab: indent with spaces"),
    ],
)
def test_hostile_yaml_is_one_line(text: str, word: str):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "file.yaml")
    message = str(caught.value)
    assert message.startswith("file.yaml")
    assert word in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("010", 10), ("-010", -10), ("0_10", 10), ("00", 0), ("0", 0), ("08", "08")),  # YAML 1.1 reads octal
        *(("0x1F", 31), ("0b101", 5), ("0o10", "0o10"), ("1_000", 1000)),
        *(("0.5", 0.5), (".5", 0.5), ("-.5", -0.5), ("+.5e3", 500.0), ("5.", 5.0), ("010.5", 10.5)),
        *(("1e-3", 1e-3), ("2E5", 2e5), ("1.5e+2", 150.0), (".5e-3", 5e-4), (".", "."), ("1e", "1e"), ("-.", "-.")),
        *(("1:30", "1:30"), ("1:30.5", "1:30.5"), ("2024-01-01", "2024-01-01")),  # YAML 1.1 reads seconds, and a day
        *(("yes", True), ("no", False), ("on", True), ("off", False), ("true", True), ("y", "y"), ("~", None)),
    ],
)
def test_plain_values_are_what_people_mean(text: str, value: object):
    found = parse_yaml(f"a: {text}", "x")["a"]
    assert (type(found), found) == (type(value), value)
    said = RunConfig(comment=text)  # as text it is written in quotes, or it would not come back
    assert parse_yaml(to_yaml(said), "x")["comment"] == text


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        *(("010", 10), ("08", 8), ("0x1F", 31), ("1_000", 1000), ("1e3", 1000), ("5.", 5)),
        *((text, None) for text in ("0o10", "1:30", ".5", "yes", "no", "~", "2024-01-01")),
    ],
)
def test_a_number_of_steps_is_decimal_or_refused_by_name(text: str, steps: int | None):
    values = parse_yaml(f"train: {{steps: {text}}}", "x")
    if steps is None:
        with pytest.raises(ConfigError, match=r"^x: train\.steps: .*; received "):
            validate(RunConfig, values, "x")
    else:
        assert validate(RunConfig, values, "x").train.steps == steps


def test_an_empty_file_is_an_empty_mapping():
    assert parse_yaml("", "x") == {}


def test_files_are_checked_before_they_are_read(tmp_path: Path):
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * 2**20)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: \xe9")
    mark = tmp_path / "bom.yaml"
    mark.write_bytes(b"\xef\xbb\xbfseed: 3\r\n")
    for path, word in ((big, "bytes"), (latin, "UTF-8"), (tmp_path, "read"), (tmp_path / "none", "No such file")):
        with pytest.raises(ConfigError, match=word):
            read_yaml(path)
    assert read_yaml(mark) == {"seed": 3}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0, "x", None, [1], True and "yes"])
def test_bad_values_name_their_key(value: object):
    with pytest.raises(ConfigError, match=r"^here: train\.learning_rate: "):
        validate(RunConfig, {"train": {"learning_rate": value}}, "here")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train.steps: 5", "train.steps: no such setting; sections are nested, {train: {steps: …}}"),
        ("train:", "train: expected settings, name: value, below it"),
        ("train: {betas: 0.9}", "train.betas: expected a list, such as"),
    ],
)
def test_what_is_written_in_another_form_is_shown_in_its_own(text: str, said: str):
    with pytest.raises(ConfigError) as caught:
        validate(RunConfig, parse_yaml(text, "x"), "x")
    assert str(caught.value).startswith(f"x: {said}")


def test_merge_keeps_a_section_of_the_same_kind_and_replaces_another():
    base = {"process": {"kind": "ve", "sigma_min": 0.1}, "seed": 0}
    assert merge(base, {"process": {"sigma_max": 9}})["process"] == {"kind": "ve", "sigma_min": 0.1, "sigma_max": 9}
    assert merge(base, {"process": {"kind": "vp"}})["process"] == {"kind": "vp"}
    assert base["process"] == {"kind": "ve", "sigma_min": 0.1}


@pytest.mark.parametrize(
    "recipe", sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")), ids=lambda path: path.stem
)
@pytest.mark.parametrize("section", ["process", "network", "model", "objective"])
def test_a_section_without_a_kind_is_of_the_usual_one(recipe: Path, section: str):
    """From Python as from the shell, which lays a recipe over all defaults."""
    values, usual = read_yaml(recipe), RunConfig().model_dump(mode="json")
    said = values.get(section)
    if isinstance(said, dict) and said.get("kind", usual[section]["kind"]) == usual[section]["kind"]:
        values[section] = {name: value for name, value in said.items() if name != "kind"}
    assert validate(RunConfig, values, "python") == validate(RunConfig, merge(usual, values), "shell")


@pytest.mark.parametrize(
    "part",
    [
        {"model": {"sigma_data": 0.3, "mean_data": 0.1}},
        {"process": {"sigma_max": 20.0}},
        {"network": {"width": 32}},
        {"objective": {"mean": -0.7}},
        {"objective": {"times": {"std": 1.0}, "weight": {"sigma_data": 0.4}}},
        {"sampling": {"sampler": {"churn": 10.0}}},
        {"sampling": {"grid": {"rho": 5.0}}},
    ],
    ids=str,
)
def test_a_setting_alone_is_one_of_the_usual_kind(part: dict[str, dict[str, object]]):
    usual = RunConfig().model_dump(mode="json")
    assert validate(RunConfig, part, "python") == validate(RunConfig, merge(usual, part), "shell") != RunConfig()


def test_a_part_of_a_kind_is_of_its_usual_kind_too():
    assert OBJECTIVE.read({"kind": "dsm", "times": {}, "weight": {}}) == OBJECTIVE.read("dsm")


@pytest.mark.parametrize("own", [{"path": "photos"}, {"density": "banana"}])
def test_data_of_ones_own_are_of_their_kind(own: dict[str, str]):
    kind = next(iter(own))
    assert merge({"data": {"kind": "mnist", "flips": True}}, {"data": own})["data"] == {"kind": kind, **own}
    assert merge({"data": {"kind": kind, "flips": True}}, {"data": own})["data"] == {"kind": kind, "flips": True, **own}
    assert merge({}, {"data": {"kind": "digits", **own}})["data"]["kind"] == "digits"  # to be refused where it is read


def test_yaml_of_a_configuration_reads_back_equal():
    config = validate(RunConfig, {"process": {"kind": "ve"}, "comment": "a: b # c\n'd'"}, "x")
    assert validate(RunConfig, parse_yaml(to_yaml(config), "x"), "x") == config


def test_unbalanced_data_is_a_setting_that_reads_back():
    config = validate(RunConfig, {"data": {"kind": "digits", "keep": {3: 0.35, 8: 0}}}, "test")
    assert validate(RunConfig, parse_yaml(to_yaml(config), "again"), "again") == config
    whole, thin = RunConfig(data={"kind": "digits"}).data.load(), config.data.load()
    shares = thin.labels.bincount(minlength=10) / whole.labels.bincount(minlength=10)
    assert shares.tolist() == pytest.approx([1, 1, 1, 0.35, 1, 1, 1, 1, 0, 1], abs=0.01)
    for wrong in ({3: 1.5}, {-1: 0.5}, {"three": 0.5}):
        with pytest.raises(ConfigError, match=r"data\.keep"):
            validate(RunConfig, {"data": {"kind": "digits", "keep": wrong}}, "test")
