"""The Gemini API answers with the picture, and with many a refusal that looks like one."""

from collections.abc import Mapping

from dispatcher.domain.jobs import Input
from support.spoken import ANSWERS_WITH_OUTPUTS, Spoken

EXPECTED: Mapping[str, str] = {
    **ANSWERS_WITH_OUTPUTS,
    "slow_output": "ambiguous",
    "drafts": "ok",
    "billing_disabled": "quota",
    "region": "auth",
    "recitation": "content_policy",
    "no_image": "failed_generation",
    "max_tokens": "failed_generation",
}
REFERENCE = Input("inlineData", body=b"\x89PNG\r\n\x1a\n", media_type="image/png", many=True)

SPOKEN = Spoken(
    provider="gemini",
    protocol="gemini-content",
    upstream_model="gemini-3-pro-image",
    fields={"aspectRatio": "16:9", "imageSize": "1K"},
    inputs=(REFERENCE,),
    expected=EXPECTED,
    asks_again=False,
)
