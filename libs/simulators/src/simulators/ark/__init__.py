"""ByteDance Ark (ModelArk): pictures at once; video tasks, their lifecycle and callbacks."""

from simulators.ark.routes import build
from simulators.ark.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "build"]
