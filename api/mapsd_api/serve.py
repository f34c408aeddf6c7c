"""The daemon put together: what `mapsd serve` runs."""

import os
from collections.abc import Mapping
from functools import partial

from mapsd.linux.authority import Authority
from mapsd_api.connections import LimitedProtocol
from mapsd_api.daemon import Application, serve
from mapsd_api.server import NotStarted, Protocols
from mapsd_api.settings import Settings, read
from mapsd_api.tokens import Tokens

PROTOCOLS: Protocols = {"unix": LimitedProtocol, "tcp": LimitedProtocol}


def run(arguments: Mapping[str, str]) -> int:
    """Serve as file, environment and *arguments* say until a signal ends it, and return the exit status.

    *arguments* are by the names of the settings, and `config`. Raises MapsdError where nothing can be served.
    """
    said = dict(os.environ)  # what the service manager says in it is said once, and the settings are read again
    return serve(partial(read, arguments, said), application, PROTOCOLS, os.environ)


def application(settings: Settings, tokens: Tokens | None) -> Application:
    """Return what answers. Raises NoAuthority where who may see what cannot be asked of this kernel."""
    del settings, tokens
    Authority().test()
    raise NotStarted("there is no application yet")
