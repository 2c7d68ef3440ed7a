"""What every section of a configuration shares."""

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["Section"]


class Section(BaseModel):
    """A frozen group of settings; unknown keys, NaN, infinities, integers beyond 64 bits and text that is not UTF-8 are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    @field_validator("*")
    @classmethod
    def _can_be_stored(cls, value: object) -> object:
        if type(value) is int and abs(value) >= 2**63:
            raise ValueError("expected an integer below 2^63; received a larger one")
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("expected text that can be written in UTF-8; received bytes that cannot")
        return value
