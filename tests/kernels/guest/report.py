"""What pytest did in a booted kernel: one line of JSON for each scene, and one at the end."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TextIO

import pytest

import mapsd
from tests.overlay import census, truth
from tests.overlay.test_histories import seen

SHADOW = "shadow model"


class Report:
    """A plugin of pytest's. *facts* are what the kernel has, *needs* what of that a scene needs."""

    def __init__(self, port: TextIO, facts: Mapping[str, bool], needs: Mapping[str, str]) -> None:
        self._port, self._facts, self._needs = port, facts, needs
        self._wrong: Counter[str] = Counter()
        self._evidence: Counter[str] = Counter()
        truth.errors = self._counted(truth.errors)
        self._tell(release=os.uname().release, mapsd=mapsd.__file__, facts=facts)

    @pytest.fixture
    def facts(self) -> Mapping[str, bool]:
        """What the kernel has."""
        return self._facts

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what needs more than the kernel has, and say so."""
        for item in list(items):
            need = self._needs.get(item.nodeid)
            if need and not self._facts[need]:
                items.remove(item)
                self._tell(scene=item.nodeid, outcome="lacking", why=need)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell how a scene ended."""
        if report.when == "call" or report.outcome != "passed":
            self._tell(scene=report.nodeid, outcome=report.outcome, seconds=report.duration, why=report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell what could not be collected."""
        if report.outcome != "passed":
            self._tell(scene=report.nodeid, outcome="failed", why=report.longreprtext)

    def end(self, status: int) -> None:
        """Tell that all was done, and how much was answered, by observer."""
        sums: dict[str, Counter[str]] = {}
        for (_, observer), here in census._answers.items():
            sums.setdefault(observer, Counter()).update(here)
        if seen:
            sums[SHADOW] = Counter({"unknown backing": seen["proof none"]})
            for name, number in seen.items():
                sums[SHADOW].update({name if name.startswith("proof ") else f"state {name}": number})
                sums[SHADOW]["answers"] += number if name.startswith("proof ") else 0
        self._tell(ended=int(status), census=sums, wrong=self._wrong, evidence=self._evidence)

    def _counted(self, errors: Callable[..., list[str]]) -> Callable[..., list[str]]:
        """Count what is wrong. What is only weak is no failure where the kernel has no iterator to make it strong."""
        def found(scene: object, claim: object, answer: dict, opened: object, observer: str) -> list[str]:
            self._evidence.update({one["kind"] for one in answer["evidence"]})
            every = errors(scene, claim, answer, opened, observer)
            wrong = [one for one in every if not one.startswith("weak: ")]
            self._wrong[observer] += len(wrong)
            return every if self._facts["bpf"] else wrong
        return found

    def _tell(self, **said: object) -> None:
        self._port.write(json.dumps(said) + "\n")
        self._port.flush()
