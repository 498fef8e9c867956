"""Settings of the whole suite."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("suite", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _no_user_specs(monkeypatch):
    """Keep the suite from seeing the specs of whoever runs it."""
    monkeypatch.delenv("ROOFLINE_SPECS", raising=False)
