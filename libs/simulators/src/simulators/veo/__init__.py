"""Veo on Vertex AI: long-running predictions, asked for by operation, the film inline."""

from simulators.veo.routes import build
from simulators.veo.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "build"]
