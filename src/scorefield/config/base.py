"""What every section of a configuration shares."""

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["Section"]


class Section(BaseModel):
    """A frozen group of settings; unknown keys, NaN, infinities and integers beyond 64 bits are refused.

    Sections import torch only inside ``build``, so that reading and printing a configuration stays fast.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    @field_validator("*")
    @classmethod
    def _of_64_bits(cls, value: object) -> object:
        if type(value) is int and abs(value) >= 2**63:
            raise ValueError("expected an integer below 2^63; received a larger one")
        return value
