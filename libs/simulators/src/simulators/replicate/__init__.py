"""Replicate's predictions: create, get, cancel, list, and signed webhooks."""

from simulators.replicate.routes import build
from simulators.replicate.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "build"]
