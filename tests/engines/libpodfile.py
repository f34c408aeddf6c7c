"""Podman's database since 4.8, made by SQLite itself with the columns of libpod/sqlite_state_internal.go."""

import sqlite3
from pathlib import Path

_TABLES = """
CREATE TABLE DBConfig(ID INTEGER PRIMARY KEY NOT NULL, SchemaVersion INTEGER NOT NULL, OS TEXT NOT NULL,
    StaticDir TEXT NOT NULL, TmpDir TEXT NOT NULL, GraphRoot TEXT NOT NULL, RunRoot TEXT NOT NULL,
    GraphDriver TEXT NOT NULL, VolumeDir TEXT NOT NULL, CHECK (ID IN (1)));
CREATE TABLE IDNamespace(ID TEXT PRIMARY KEY NOT NULL);
CREATE TABLE ContainerConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, PodID TEXT, JSON TEXT NOT NULL,
    FOREIGN KEY (ID) REFERENCES IDNamespace(ID) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (ID) REFERENCES ContainerState(ID) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (PodID) REFERENCES PodConfig(ID));
CREATE TABLE ContainerState(ID TEXT PRIMARY KEY NOT NULL, State INTEGER NOT NULL, ExitCode INTEGER, JSON TEXT NOT NULL,
    FOREIGN KEY (ID) REFERENCES ContainerConfig(ID) DEFERRABLE INITIALLY DEFERRED,
    CHECK (ExitCode BETWEEN -1 AND 255));
CREATE TABLE PodConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, JSON TEXT NOT NULL,
    FOREIGN KEY (ID) REFERENCES IDNamespace(ID) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (ID) REFERENCES PodState(ID) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE PodState(ID TEXT PRIMARY KEY NOT NULL, InfraContainerID TEXT, JSON TEXT NOT NULL,
    FOREIGN KEY (ID) REFERENCES PodConfig(ID) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (InfraContainerID) REFERENCES ContainerConfig(ID) DEFERRABLE INITIALLY DEFERRED);
"""


def written(file: Path, containers: dict[str, str | None], pods: dict[str, str], *, version: int = 1) -> None:
    """Write a database: *containers* have the ids of their pods, *pods* their names."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(file) as made:
        made.executescript(_TABLES)
        made.execute("INSERT INTO DBConfig VALUES (1, ?, 'linux', '/s', '/t', '/g', '/r', 'overlay', '/v')", [version])
    made.close()
    added(file, containers, pods)


def added(file: Path, containers: dict[str, str | None], pods: dict[str, str]) -> None:
    """Add rows as Podman does: an encoded configuration is bytes, and longer than a page."""
    with sqlite3.connect(file) as made:
        insert(made, containers, pods)
    made.close()


def insert(made: sqlite3.Connection, containers: dict[str, str | None], pods: dict[str, str]) -> None:
    made.executemany("INSERT INTO IDNamespace VALUES (?)", [(one,) for one in (*containers, *pods)])
    for one, name in pods.items():
        made.execute("INSERT INTO PodConfig VALUES (?, ?, ?)", (one, name, b'{"pod": 1}' * 900))
        made.execute("INSERT INTO PodState VALUES (?, ?, ?)", (one, None, b"{}"))
    for one, pod in containers.items():
        made.execute("INSERT INTO ContainerConfig VALUES (?, ?, ?, ?)", (one, f"c-{one}", pod, b'{"c": 1}' * 900))
        made.execute("INSERT INTO ContainerState VALUES (?, ?, ?, ?)", (one, 3, 0, b"{}"))
