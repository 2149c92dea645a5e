"""Google's image models by `generateContent`, as the Gemini API and as Vertex AI serve them."""

from simulators.gemini.routes import build, build_vertex
from simulators.gemini.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "build", "build_vertex"]
