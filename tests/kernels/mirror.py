"""The newest kernels of Debian's suites, from the mirror that this machine is set up for; nothing is installed.

Versions vanish from the mirrors, so none is named: each suite's metapackage says which is its newest.
"""

import fcntl
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

FLAVOUR = "cloud-amd64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What a kernel's own packages are called: since Linux 6.19 the image and the modules are packages that it depends on.
_PARTS = re.compile(r"linux-(?:image|binary|modules)-\d\S*")
# The lists of an old suite are not signed anew: they may be out of date and are what there is.
_CONF = """\
Dir::Etc "{0}/etc"; Dir::State "{0}/state"; Dir::State::status "{0}/status"; Dir::Cache "{0}/cache"; Dir::Log "{0}/log";
APT::Architecture "amd64"; APT::Architectures {{ "amd64"; }}; APT::Sandbox::User "root"; APT::Update::Error-Mode "any";
Acquire::Languages "none"; Acquire::Retries "3"; Acquire::Check-Valid-Until "false";
"""


class NotFound(Exception):
    """There is no such mirror, suite or kernel; says what failed."""


class Package(NamedTuple):
    """One package of one version."""

    name: str
    version: str


class Suite:
    """A suite and its security updates, in a state of apt's that is kept in a directory of its own."""

    def __init__(self, name: str, where: Path) -> None:
        self.name, self._where, self._conf = name, where, where / "apt.conf"

    @contextmanager
    def updated(self) -> Iterator["Suite"]:
        """Know what the mirror has now; nobody else uses the directory meanwhile."""
        for part in ("etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d", "state/lists/partial",
                     "cache/archives/partial", "log"):
            (self._where / part).mkdir(parents=True, exist_ok=True)
        with (self._where / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (self._where / "status").touch()
            self._conf.write_text(_CONF.format(self._where))
            (self._where / "etc/sources.list").write_text("".join(
                f"deb [signed-by={KEYRING}] {uri} {suite} main\n" for uri, suite in sources(self.name)))
            self._apt("apt-get", "-qq", "update")
            yield self

    def newest(self) -> list[Package]:
        """Return the packages of the newest kernel; the first one's name has its release."""
        [top] = self._depends(f"linux-image-{FLAVOUR}")
        return [top, *self._depends(top.name)]

    def download(self, package: Package, where: Path) -> Path:
        """Return the package's file, in the directory *where*."""
        self._apt("apt-get", "-qq", "download", "=".join(package), cwd=where)
        [file] = where.glob(f"{package.name}_*.deb")
        return file

    def _depends(self, name: str) -> list[Package]:
        """Return the parts of a kernel on which a package depends, by the version that it asks for."""
        told = self._apt("apt-cache", "show", "--no-all-versions", name)
        [line] = re.findall(r"^Depends: (.*)$", told, re.MULTILINE)
        found = re.findall(rf"({_PARTS.pattern}) \(= ([^)]+)\)", line)
        return [Package(name, version) for name, version in found]

    def _apt(self, program: str, *words: str, cwd: Path | None = None) -> str:
        done = subprocess.run([program, "-c", self._conf, *words], cwd=cwd, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotFound(f"{self.name}: {program} {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


def sources(suite: str) -> list[tuple[str, str]]:
    """Return the address and the name of a suite and, where it has some, of its security updates."""
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(RELEASE) $(REPO_URI)",
                           "Created-By: Packages"], capture_output=True, text=True, check=False).stdout
    uris: dict[bool, str] = {}
    for line in told.splitlines():
        origin, release, uri = line.split(" ")
        if origin == "Debian":
            uris.setdefault(release.endswith("-security"), uri)
    if False not in uris:
        raise NotFound("this machine has no Debian mirror: run apt-get update first")
    security = [(uris[True], f"{suite}-security")] if True in uris and "-" not in suite else []
    return [(uris[False], suite), *security]
