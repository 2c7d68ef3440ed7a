"""From YAML text and overrides to a checked configuration; every refusal is one line that names the key and the reason."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.composer import Composer

from scorefield._checks import Refused
from scorefield.config.migrate import migrated
from scorefield.errors import ConfigError, ScorefieldError

_LIMIT = 2**18  # bytes: a configuration is a page of text
_DEPTH = 12
_REASONS = {
    "extra_forbidden": "no such setting",
    "string_type": "expected text: what YAML reads as something else stands in quotes",
    "tuple_type": "expected a list, such as [0.9, 0.99]",
    "dict_type": "expected a mapping, such as {3: 0.5}",
    "model_type": "expected settings, name: value, below it; without any, leave the section out",
}

Model = TypeVar("Model", bound=BaseModel)


class _StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader), Composer):  # pyright: ignore[reportGeneralTypeIssues]
    """Plain data only: no tags (code), no aliases (bombs), no duplicate keys, bounded depth."""

    # libyaml finds the tokens, five times as fast, and what they make is decided here.
    get_single_node = Composer.get_single_node

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        Composer.__init__(self)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _Refusal(event, "YAML aliases (*name) are not accepted; write the value out")
        if event.tag is not None:
            raise _Refusal(event, "YAML tags (!name) are not accepted; write the value alone")
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > _DEPTH:
            raise _Refusal(event, f"nested more than {_DEPTH} levels deep")
        node = super().compose_node(parent, index)  # pyright: ignore[reportArgumentType]
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                raise _Refusal(key, f"key {_short(key.value)} is given twice")
            keys.add(str(key.value))
        return super().construct_mapping(node, deep=True)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 whatever is written
        if node.tag == f"{_YAML}int":  # zeros before a number change nothing, whatever YAML 1.1 says: 010 is no 8
            node.value = re.sub(r"^([-+]?)0[0_]*(?=[0-9])", r"\1", node.value)
        try:
            return super().construct_object(node, deep)  # pyright: ignore[reportArgumentType]
        except ValueError as error:  # of int() and float()
            raise _Refusal(node, f"{_short(node.value)} is not a number that can be read") from error

    def resolve(self, kind: type[yaml.Node], value: str, implicit: object) -> str:
        """Return the type of a plain value; a day and 1:30 are text, whatever YAML 1.1 says."""
        tag = super().resolve(kind, value, implicit)
        return f"{_YAML}str" if tag == f"{_YAML}timestamp" or (tag in _NUMBERS and ":" in value) else tag


class _Dumper(yaml.SafeDumper):
    """Writes what the loader reads back."""

    def quoted(self, text: str) -> yaml.ScalarNode:
        """Return text, quoted such that line ends of Unicode's own are escaped: within other quotes they read back as spaces."""
        return self.represent_scalar(f"{_YAML}str", text, style='"' if set(text) & set("\x85\u2028\u2029") else None)


_YAML = "tag:yaml.org,2002:"
_NUMBERS = (f"{_YAML}int", f"{_YAML}float")
_Dumper.add_representer(str, _Dumper.quoted)
for _side in (_StrictLoader, _Dumper):  # 1e-3 and -.5 are numbers, whatever YAML 1.1 says
    _side.add_implicit_resolver(
        f"{_YAML}float",
        re.compile(r"^[-+]?([0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?)$"),
        list("-+.0123456789"),
    )


class _Refusal(yaml.MarkedYAMLError):
    """What YAML allows, and a configuration does not."""

    def __init__(self, place: yaml.Event | yaml.Node, problem: str) -> None:
        super().__init__(problem=problem, problem_mark=place.start_mark)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: a file that is missing, too large, not UTF-8, not YAML, or not a mapping.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)  # no more: a device has no end
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', error)}") from error
    return parse_yaml(data, str(path))


def parse_yaml(text: str | bytes, source: str) -> dict[str, Any]:
    """Return the mapping in YAML ``text``; ``source`` names it in errors."""
    if len(text) > _LIMIT:
        raise ConfigError(f"{source}: a configuration has at most {_LIMIT} bytes; received more")
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 a SafeLoader, made stricter
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8 text (byte {error.start})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # A letter that YAML does not take has a place alone.
        before = str(text).encode()[: getattr(error, "position", 0)]
        where = f", line {(before.count(10) if mark is None else mark.line) + 1}"
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        invalid = "" if isinstance(error, _Refusal) else "not valid YAML: "
        if mark is not None and "\t" in "".join(str(text).splitlines()[mark.line : mark.line + 1]):
            reason += "; the line has a tab: indent with spaces"
        raise ConfigError(f"{source}{where}: {invalid}{reason}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: expected a mapping of keys to values; received {_short(value)}")
    wrong = next((key for key in value if not isinstance(key, str)), None)
    if wrong is not None:
        raise ConfigError(f"{source}: expected the name of a section or setting; received the key {_short(wrong)}")
    return value


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``override`` in place of its own, section by section; both may be in the form of earlier releases.

    Data given by a path or a density alone are of that kind. A section whose ``kind`` changes starts from the new kind's defaults, since
    the former kind's keys would not fit; so does ``sampling`` when its sampler changes.
    """
    base = migrated(base)
    return _laid(base, _implied(migrated(override, base)))


def _implied(override: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return settings in which data of one's own, named by a path or a density alone, are of that kind."""
    section = override.get("data")
    if isinstance(section, dict) and "kind" not in section:
        for kind in ("path", "density"):
            if section.get(kind) is not None:
                return {**override, "data": {"kind": kind, **section}}
    return override


def _laid(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        if isinstance(value, dict):
            old = _opened(old)
            if isinstance(old, dict) and _kind(value, _kind(old)) == _kind(old):
                merged[key] = _laid(old, value)
            else:
                merged[key] = value
        elif not (isinstance(old, dict) and isinstance(value, str) and value == old.get("kind")):
            merged[key] = value
    return merged


def _opened(section: object) -> object:
    """Return a section that is written in short, a kind or a number of levels, in full."""
    if isinstance(section, str):
        return {"kind": section}
    return {"kind": "geometric", "levels": section} if type(section) is int else section


def _kind(section: Mapping[str, Any], default: object = None) -> object:
    """Return the kind of a section; of sampling, that of its sampler."""
    if "sampler" in section:
        sampler = _opened(section["sampler"])
        return _kind(sampler, default) if isinstance(sampler, dict) else default
    return section.get("kind", default)


def validate(model: type[Model], values: Mapping[str, Any], source: str) -> Model:
    """Return the configuration that ``values`` describe.

    Raises:
        ConfigError: one line with the source, the first wrong key and the reason.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        key = _plain(".".join(str(part) for part in first["loc"]))
        telling = first["type"] in ("missing", "extra_forbidden", "value_error")  # those say it themselves
        shown = "" if telling else f"; received {_short(first['input'])}"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        if telling and "." in str(first["loc"][-1]):
            nested = reduce(lambda inner, part: f"{{{part}: {inner}}}", reversed(key.split(".")), "…")
            more = f"; sections are nested, {nested}{more}"
        raise ConfigError(f"{source}: {key}: {_reason(first['type'], first['msg'])}{shown}{more}") from None


@contextmanager
def refusals(source: str) -> Iterator[None]:
    """Turn ValueErrors of constructors into configuration errors that name the source of the settings."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, ScorefieldError) and not isinstance(error, Refused):
            raise
        raise ConfigError(f"{source}: {error}") from error


def to_yaml(config: BaseModel) -> str:
    """Return a configuration as YAML that reads back to the same configuration."""
    return yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _reason(kind: str, message: str) -> str:
    message = _REASONS.get(kind, message).removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _short(value: object) -> str:
    return _plain(repr(value))


def _plain(text: str) -> str:
    """Return text for a line of a message: not long, and nothing in it that a terminal would obey."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= 60 else text[:57] + "..."
