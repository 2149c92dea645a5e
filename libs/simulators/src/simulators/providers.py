"""The providers that have a stand-in: where each one's API begins, and who builds it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulators.control import Simulator
    from simulators.dials import Setting
    from simulators.links import Links

    Build = Callable[[Links | None, Setting | None, str | None], Simulator]


@dataclass(frozen=True, slots=True)
class Provider:
    """One stand-in of a provider: ``module`` has SCENARIOS and, under the name of ``build``, what makes it.

    ``path`` is what a client's base URL ends in, as the provider publishes it; ``render_ms`` the time from acceptance
    to the result unless told otherwise, 0 for those that answer with it.
    """

    about: str
    module: str
    path: str = ""
    render_ms: int = 2_000
    build: str = "build"

    def make(
        self, links: "Links | None" = None, start: "Setting | None" = None, api_key: str | None = None
    ) -> "Simulator":
        """A new one, its dials as ``start`` says; without ``api_key`` any key is right."""
        build: Build = getattr(import_module(self.module), self.build)
        return build(links, start, api_key)

    @property
    def scenarios(self) -> dict[str, str]:
        """What its dials know."""
        known: dict[str, str] = import_module(self.module).SCENARIOS
        return known


PROVIDERS: dict[str, Provider] = {
    "openai": Provider(
        "OpenAI's images API; its base URL ends in /v1. Answers at once unless delayed.",
        "simulators.openai",
        "/v1",
        render_ms=0,
    ),
    "azure": Provider(
        "OpenAI's images as deployments in Azure, named like the models; its base URL ends in /openai/deployments.",
        "simulators.openai",
        "/openai/deployments",
        render_ms=0,
        build="build_azure",
    ),
    "ark": Provider(
        "ByteDance Ark's pictures and video tasks; its base URL ends in /api/v3.", "simulators.ark", "/api/v3"
    ),
    "gemini": Provider(
        "Google's image models by the Gemini API; its base URL ends in /v1beta. Answers at once unless delayed.",
        "simulators.gemini",
        "/v1beta",
        render_ms=0,
    ),
    "vertex": Provider(
        "The same by Vertex AI; its base URL ends in project and location. Tokens of service accounts at /token.",
        "simulators.gemini",
        "/v1/projects/stand-in/locations/global",
        render_ms=0,
        build="build_vertex",
    ),
    "fal": Provider("Fal's queue, and the keys of its webhooks at /.well-known/jwks.json.", "simulators.fal"),
    "replicate": Provider("Replicate's predictions; its base URL ends in /v1.", "simulators.replicate", "/v1"),
    "vidu": Provider("Vidu's video tasks; its base URL ends in /ent/v2.", "simulators.vidu", "/ent/v2"),
    "xai": Provider("xAI's videos; its base URL ends in /v1.", "simulators.xai", "/v1"),
    "dashscope": Provider(
        "Alibaba Model Studio's video tasks; its base URL ends in /api/v1.", "simulators.dashscope", "/api/v1"
    ),
    "veo": Provider(
        "Veo by Vertex AI; its base URL ends in project and location.",
        "simulators.veo",
        "/v1/projects/stand-in/locations/us-central1",
    ),
}
