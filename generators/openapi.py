"""The OpenAPI document of the service, as the application itself describes it."""

import json
import sys
from pathlib import Path
from typing import cast

from mapsd_api.app import create_app
from mapsd_api.routes.asked import Daemon


def made() -> str:
    """Return its text: JSON, as it is published."""
    nobody = cast("Daemon", None)  # nothing is asked
    return json.dumps(create_app(nobody).openapi(), indent=1) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(made(), encoding="utf-8")
