"""`mapsd serve`: the daemon, which answers over HTTP. It is in mapsd_api, and its packages in the extra `daemon`."""

import os
import sys

from mapsd.cli.command import Asked, Command, Option
from mapsd.cli.output import FAILED, complain
from mapsd.settings import SETTINGS, Setting


def _option(setting: Setting) -> Option:
    if setting.form == "BOOL":
        return Option((setting.option,), setting.about, "BOOL", ("true", "false"), "true")
    usual = f" (default {setting.default})" if setting.default else ""
    return Option((setting.option,), setting.about + usual, setting.form)


COMMAND = Command(
    "serve", "",
    "Answer over HTTP, at a Unix socket and on request over TCP. Who asks sees exactly the processes whose maps the "
    "kernel would let that user read; root and the members of one group see all.\n\n"
    'Each option can also be a line of the settings file (socket_mode = "0660") or an exported variable '
    "(MAPSD_SOCKET_MODE=0660); an option wins over a variable, and that over the file. SIGHUP reads them again, "
    "SIGTERM and SIGINT end the daemon when what was asked is answered.",
    (Option(("--config",), "the settings file, TOML (default /etc/mapsd/mapsd.toml, if there is one)", "FILE"),
     *map(_option, SETTINGS)),
    ((0, "ended by a signal"), (70, "nothing can be served, or the daemon's packages are missing")))


def run(asked: Asked) -> tuple[int, list[str]]:
    """Return the exit status when the daemon has ended; what failed is said on stderr."""
    try:
        from mapsd_api.serve import run as serve  # noqa: PLC0415  (other commands have none of its packages)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mapsd_api."):
            raise
        complain(f'the daemon needs {error.name}: pip install "mapsd[daemon]"')
        return FAILED, []
    config = {} if "config" not in asked.values else {"config": asked.values["config"]}
    status = serve(config | {setting.name: asked.values[setting.option.lstrip("-")] for setting in SETTINGS
                             if setting.option.lstrip("-") in asked.values})
    _leave(status)
    return status, []


def _leave(status: int) -> None:
    """End at once where a thread is left: Python would wait for a lookup that hangs in the kernel."""
    import threading  # noqa: PLC0415  (there are threads here only)
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(status)
