"""Write src/scorefield/cli/kinds.json, the torch-free table of every kind of a configuration: ``python -m tools.kinds``."""

import inspect
import json
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from scorefield.config.rooms import ROOMS
from scorefield.config.run import DataConfig, GuideConfig, TrainConfig
from scorefield.toys import OBJECTIVES, TOYS

FILE = Path(__file__).parents[1] / "src" / "scorefield" / "cli" / "kinds.json"
_REQUIRED = "required"


def table() -> dict[str, Any]:
    """Return the kinds of every room with summary and settings, and the settings of the sections without kinds."""
    rooms = {noun: {kind: _entry(room.model(kind)) for kind in room.makers} for noun, room in ROOMS.items()}
    plain = {"data": DataConfig, "train": TrainConfig, "guide": GuideConfig}
    data = list(get_args(DataConfig.model_fields["kind"].annotation))
    settings = {name: _settings(section) for name, section in plain.items()}
    return {**rooms, **settings, "kinds of data": data, "toys": list(TOYS), "objectives of toys": list(OBJECTIVES)}


def text() -> str:
    """Return the file's content."""
    return json.dumps(table(), indent=1, ensure_ascii=False) + "\n"


def _entry(section: type[BaseModel]) -> dict[str, Any]:
    summary = (inspect.getdoc(section) or "").partition("\n\n")[0].replace("\n", " ")
    return {
        "summary": summary,
        "settings": {name: value for name, value in _settings(section).items() if name != "kind"},
    }


def _settings(section: type[BaseModel]) -> dict[str, Any]:
    """Return names and defaults."""
    return {name: _plain(field.default) for name, field in section.model_fields.items()}


def _plain(default: object) -> object:
    if default is PydanticUndefined:
        return _REQUIRED
    return default.model_dump(mode="json") if isinstance(default, BaseModel) else default


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
