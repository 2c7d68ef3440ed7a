"""From YAML text and overrides to a checked configuration; every refusal is one line that names the key and the reason."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from scorefield._errors import ConfigError
from scorefield.config.migrate import migrated

__all__ = ["merge", "parse_yaml", "read_yaml", "refusals", "to_yaml", "validate"]

_LIMIT = 2**18  # bytes: a configuration is a page of text
_DEPTH = 12

Model = TypeVar("Model", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """Plain data only: no anchors (alias bombs), no duplicate keys, bounded depth."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ConfigError("YAML aliases (*name) are not accepted; write the value out")
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > _DEPTH:
            raise ConfigError(f"nested more than {_DEPTH} levels deep")
        node = super().compose_node(parent, index)  # pyright: ignore[reportArgumentType]
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            raise ConfigError(f"key {repeated!r} is given twice")
        return super().construct_mapping(node, deep=True)


# 1e-3 is a number, whatever YAML 1.1 says.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: a file that is missing, too large, not UTF-8, not YAML, or not a mapping.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise ConfigError(f"{path}: {path.stat().st_size} bytes; a configuration has at most {_LIMIT}")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Return the mapping in YAML ``text``; ``source`` names it in errors."""
    try:
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 a SafeLoader, made stricter
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{source}{where}: not valid YAML: {reason}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not valid YAML: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{source}: expected a mapping of keys to values; received {type(value).__name__}")
    return value


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``override`` laid over it, section by section; both may be in the first edition's form.

    A section whose ``kind`` changes starts from that kind's defaults: the other kind's keys would not fit. So does the sampling of another
    sampler.
    """
    base = migrated(base)
    return _laid(base, migrated(override, base))


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
        key = ".".join(str(part) for part in first["loc"])
        telling = first["type"] in ("missing", "extra_forbidden", "value_error")  # those say it themselves
        shown = "" if telling else f"; received {_short(first['input'])}"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{source}: {key}: {_reason(first['type'], first['msg'])}{shown}{more}") from None


@contextmanager
def refusals(source: str) -> Iterator[None]:
    """Turn the ValueErrors with which constructors refuse settings into configuration errors that name their source."""
    try:
        yield
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{source}: {error}") from error


def to_yaml(config: BaseModel) -> str:
    """Return a configuration as YAML that reads back to the same configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _reason(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such setting"
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
