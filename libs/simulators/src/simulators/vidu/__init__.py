"""Vidu's video tasks: four ways to submit, one way to ask, callbacks."""

from simulators.vidu.routes import build
from simulators.vidu.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "build"]
