"""The daemon put together: what `mapsd serve` runs."""

import os
from collections.abc import Mapping
from functools import partial

from mapsd_api.asker.peer import home
from mapsd_api.assembly import application
from mapsd_api.connection.peerprotocol import protocols
from mapsd_api.connection.server import Protocols
from mapsd_api.life.daemon import serve
from mapsd_api.settings.settings import Settings, read


def run(arguments: Mapping[str, str]) -> int:
    """Serve as file, environment and *arguments* say until a signal ends it, and return the exit status.

    *arguments* are by the names of the settings, and `config`. Raises MapsdError where nothing can be served.
    """
    said = dict(os.environ)  # what the service manager says in it is said once, and the settings are read again
    return serve(partial(read, arguments, said), application, _protocols, os.environ)


def _protocols(settings: Settings) -> Protocols:
    return protocols(home(os.fsencode(settings.procfs)))
