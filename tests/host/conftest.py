from pathlib import Path

import pytest

from tests.host.running import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")
