"""fal's queue: submit, status, result, cancel, and signed webhooks."""

from simulators.fal.routes import build
from simulators.fal.scenarios import SCENARIOS
from simulators.fal.webhooks import Signer, verify

__all__ = ["SCENARIOS", "Signer", "build", "verify"]
