"""What every section of a configuration shares."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Section"]


class Section(BaseModel):
    """A frozen group of settings; unknown keys, NaN and infinities are refused.

    Sections import torch only inside ``build``, so that reading and printing a configuration stays fast.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
