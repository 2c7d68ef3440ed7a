"""``python -m tools.kinds``: write what is made from the kinds of a configuration.

That is src/scorefield/cli/kinds.json, the torch-free table for ``--help``, and docs/settings.md.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from scorefield.config.rooms import ROOMS
from scorefield.config.run import DataConfig, GuideConfig, TrainConfig
from scorefield.toys import OBJECTIVES, TOYS

ROOT = Path(__file__).parents[1]
FILE = ROOT / "src" / "scorefield" / "cli" / "kinds.json"
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
    sys.path.insert(0, str(ROOT / "docs"))
    from generate import settings

    settings.PAGE.write_text(settings.page(), encoding="utf-8")
