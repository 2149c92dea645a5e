"""OpenAI's images API, and Azure's deployments of it."""

from simulators.openai.routes import SCENARIOS, build, build_azure

__all__ = ["SCENARIOS", "build", "build_azure"]
