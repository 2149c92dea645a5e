"""Alibaba Model Studio's asynchronous video synthesis, as Happy Horse uses it."""

from simulators.dashscope.routes import build
from simulators.dashscope.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "build"]
