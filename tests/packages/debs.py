"""Real roots of dpkg: packages that are built here, installed by dpkg itself."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing


class Root:
    """A root whose /lib and /bin are symbolic links, with dpkg's database in it."""

    def __init__(self, where: Path) -> None:
        self.path, self._built = where / "root", where / "built"
        for name in ("usr/lib", "usr/bin", "etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (self.path / name).mkdir(parents=True)
        (self.path / "lib").symlink_to("usr/lib")
        (self.path / "bin").symlink_to("/usr/bin")
        (self.path / "usr/lib/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
        (self.path / "var/lib/dpkg/status").touch()

    def dpkg(self, *words: str) -> str:
        done = subprocess.run(["dpkg", f"--root={self.path}", "--log=/dev/null", "--force-script-chrootless",
                               "--force-unsafe-io", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def divert(self, *words: str) -> None:
        subprocess.run(["dpkg-divert", "--root", self.path, "--add", *words], check=True, capture_output=True)

    def install(self, name: str, files: dict[str, str], fields: str = "", version: str = "1.0",
                conffiles: str = "", *, architecture: str = "all", force: str = "") -> None:
        made = self._built / name
        shutil.rmtree(made, ignore_errors=True)
        for path, text in files.items():
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            (made / path).write_text(text)
        (made / "DEBIAN").mkdir()
        (made / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: a <a@b>\n{fields}"
            "Description: a\n")
        if conffiles:
            (made / "DEBIAN/conffiles").write_text(conffiles)
        deb = self._built / f"{name}.deb"
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", made, deb], check=True,
                       capture_output=True)
        self.dpkg(*([f"--force-{force}"] if force else []), "--install", str(deb))

    def searched(self, path: str) -> set[str]:
        """Return whose a name is for dpkg, which compares it as a text."""
        lines = self.dpkg("--search", path).splitlines()
        return {name for line in lines if not line.startswith("diversion by")
                for name in line.partition(": ")[0].split(", ")}

    def verified(self) -> dict[str, str]:
        """Return what dpkg says of each file that is not as it was packed."""
        return {line[12:].removeprefix("c "): line[:9] for line in self.dpkg("--verify").splitlines()}


@pytest.fixture
def debian(tmp_path: Path) -> Root:
    if shutil.which("dpkg-deb") is None:
        missing("packages", "dpkg is not installed")
    if os.geteuid() != 0:
        missing("root", "only root installs packages")
    return Root(tmp_path)
