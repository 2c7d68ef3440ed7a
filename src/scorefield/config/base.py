"""What every section of a configuration shares."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator


def of_usual_kinds(section: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a section, with the default kind filled in for parts that name none."""
    found = dict(values)
    for name, field in section.model_fields.items():
        part = found.get(name)
        if hasattr(field.default, "room") and isinstance(part, Mapping):
            found[name] = {"kind": field.default.kind, **part}
    return found


def _types(annotation: object) -> set[object]:
    """Return the types that a field may be of, without their annotations."""
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    return {annotation}.union(*map(_types, get_args(annotation)))


class Section(BaseModel):
    """A frozen group of settings; unknown keys, NaN, infinities, integers beyond 64 bits and text that is not UTF-8 are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _kinds(cls, values: object) -> object:
        return of_usual_kinds(cls, values) if isinstance(values, Mapping) else values

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and info.field_name is not None:
            types = _types(cls.model_fields[info.field_name].annotation)
            if bool not in types and types & {int, float}:
                raise ValueError(
                    f"expected a number; received {value}, which is how YAML reads yes, no, on and off too"
                )
        return value

    @field_validator("*")
    @classmethod
    def _can_be_stored(cls, value: object) -> object:
        if type(value) is int and abs(value) >= 2**63:
            raise ValueError("expected an integer below 2^63; received a larger one")
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("expected text that can be written in UTF-8; received bytes that cannot")
        return value
