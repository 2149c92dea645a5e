"""kill -9 at every named point, for every adapter: no order is placed twice, and each job has one verdict."""

import pytest

from common.contracts import JobFailed, JobGenerated
from support.crashing import crashed
from support.dispatcher import running_dispatcher
from support.sizes import PROOF

POINTS = ("D1", "D2", "D3", "D4", "D5", "D6", "D7")
RECORDED = {"D4", "D5", "D6", "D7"}
"""Behind these the order, or its result, is on record."""
ON_ITS_WAY = {"image": {"D1", "D2", "D3", "D5", "D6"}, "task": {"D1", "D2", "D3", "D4", "D6", "D7"}}
ALL = {
    "openai": ("gpt-image-2", "image"),
    "azure": ("gpt-image-2", "image"),
    "gemini": ("gemini-2.5-flash-image", "image"),
    "vertex": ("gemini-2.5-flash-image", "image"),
    "ark-images": ("seedream-5.0-lite", "link"),
    "ark": ("seedance-2.0", "task"),
    "dashscope": ("happyhorse-1.0", "task"),
    "vidu": ("vidu-q3", "task"),
    "xai": ("grok-imagine-1.0", "task"),
    "veo": ("veo-3.1", "inline"),
    "fal": ("seedance-2.0", "task"),
    "replicate": ("seedance-2.0", "task"),
}
"""Adapter, a model it serves, and how: a picture or a link in the answer, by a task, by a task with a film inline."""
ON_ITS_WAY["link"] = ON_ITS_WAY["image"] - {"D5"}
ON_ITS_WAY["inline"] = ON_ITS_WAY["task"] | {"D5"}
TRIED = ALL if PROOF != "test" else {name: ALL[name] for name in ("openai", "ark", "replicate")}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("adapter", TRIED)
async def test_nothing_is_ordered_twice_whenever_a_dispatcher_dies(
    database, s3, keys, dispatcher, providers, adapter, point
):
    model, how = ALL[adapter]
    provider = adapter.partition("-")[0]
    environ = providers.environ(provider)
    prompt = f"dies at {point} of {adapter}"
    event = dispatcher.event(model, prompt)
    died = await crashed(database, s3, keys, environ, event, at=point)
    assert died == (point in ON_ITS_WAY[how])
    async with running_dispatcher(database, s3, keys, environ) as successor:
        successor.rows("delete from owners where owner_id <> %(me)s", me=successor.parts.ownership.owner_id)
        if died and point != "D6":
            assert await successor.parts.ownership.take() == 1
            verdict = await successor.verdict(event.job_id, 60)
        elif died:
            assert await successor.parts.ownership.take() == 0
            successor.rows("update jobs set finished_at = finished_at - interval '1 min' where published_at is null")
            await successor.parts.sweeper.sweep()
            verdict = await successor.verdict(event.job_id, 60)
        else:
            verdict = None
        assert [one for one in successor.published if one.job_id == event.job_id] == ([verdict] if verdict else [])
    submits = len(providers.calls(provider, prompt))
    if not died or point in RECORDED:
        assert submits == 1
        assert verdict is None or (isinstance(verdict, JobGenerated) and verdict.provider == provider)
    else:
        # Nobody knows whether it was taken: not here again, and there is no other provider.
        assert submits == (1 if point == "D3" else 0)
        assert isinstance(verdict, JobFailed) and verdict.code == "upstream_unavailable"
