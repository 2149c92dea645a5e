"""OpenAI's images API: generations, answered with inline base64."""

from simulators.openai.routes import SCENARIOS, build

__all__ = ["SCENARIOS", "build"]
