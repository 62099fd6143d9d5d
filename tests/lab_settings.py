"""Settings of labs whose services a test serves itself."""

from pathlib import Path

from lab.settings import SERVICE_PORTS, LabSettings


def settings_in(home: Path) -> LabSettings:
    """A lab's settings with ports drawn by lot.

    `lab up` asks its neighbours before it takes a port; a test does not, and tests in several
    processes would all find the same wished-for port free and then take it from each other.
    """
    return LabSettings.create(home, promised=frozenset(SERVICE_PORTS.values()))
