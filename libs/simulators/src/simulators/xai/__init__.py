"""xAI's videos: submit, and ask until it is done.

Written from the adapter that a widely used client library has; xAI's own Python client speaks gRPC, so no client of
theirs is held against it.
"""

from simulators.xai.routes import build
from simulators.xai.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "build"]
