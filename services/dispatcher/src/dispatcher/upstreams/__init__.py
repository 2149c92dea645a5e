"""Wire protocols, one file each, by the name that the catalogue's routes use."""

from dispatcher.upstreams.ark_images import ArkImages
from dispatcher.upstreams.ark_video import ArkVideo
from dispatcher.upstreams.dashscope_video import DashScopeVideo
from dispatcher.upstreams.fal_queue import FalQueue
from dispatcher.upstreams.gemini_content import GeminiContent, VertexContent
from dispatcher.upstreams.openai_images import AzureImages, OpenAIImages
from dispatcher.upstreams.protocol import Upstream
from dispatcher.upstreams.replicate import Replicate
from dispatcher.upstreams.vertex_video import VertexVideo
from dispatcher.upstreams.vidu_video import ViduVideo
from dispatcher.upstreams.xai_video import XaiVideo

PROTOCOLS: dict[str, type[Upstream]] = {
    "openai-images": OpenAIImages,
    "azure-images": AzureImages,
    "gemini-content": GeminiContent,
    "vertex-content": VertexContent,
    "vertex-video": VertexVideo,
    "ark-images": ArkImages,
    "ark-video": ArkVideo,
    "dashscope-video": DashScopeVideo,
    "vidu-video": ViduVideo,
    "xai-video": XaiVideo,
    "fal-queue": FalQueue,
    "replicate": Replicate,
}

BASE_URLS: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "ark": "https://ark.ap-southeast.bytepluses.com/api/v3",
    "dashscope": "https://dashscope-intl.aliyuncs.com/api/v1",
    "vidu": "https://api.vidu.com/ent/v2",
    "xai": "https://api.x.ai/v1",
    "fal": "https://queue.fal.run",
    "replicate": "https://api.replicate.com/v1",
}
"""Where each provider is when ``UPSTREAM_<PROVIDER>_BASE_URL`` does not say otherwise."""
