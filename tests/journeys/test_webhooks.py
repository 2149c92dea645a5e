"""P14: a callback is signed, and comes when the task already reads as final."""

import asyncio

import openai

from support.jobs import VIDEO
from support.stack import Stack, until


async def test_a_videos_webhook_verifies_with_the_sdk_and_comes_after_the_truth(stack: Stack) -> None:
    account = stack.account()
    await stack.reset("receiver")
    url = stack["SIM_RECEIVER_URL"] + "/hooks/video"
    async with stack.client(account) as client:
        task = await client.videos.create(**VIDEO, prompt="a paper boat", extra_body={"callback_url": url})
        while True:
            deliveries = (await stack._simulator("GET", "receiver", "/__deliveries"))["deliveries"]
            if deliveries:
                break
            await asyncio.sleep(0.01)
        seen = await client.videos.retrieve(task.id)
        assert seen.status == "completed", "the webhook came before the task read as completed"
        delivery = deliveries[0]
        event = client.webhooks.unwrap(delivery["body"], delivery["headers"], secret=account.webhook_secret)
        assert event.type == "video.completed"
        assert event.data.id == task.id
        try:
            client.webhooks.unwrap(delivery["body"], delivery["headers"], secret="whsec_" + "QUFB" * 8)
        except openai.InvalidWebhookSignatureError:
            pass
        else:
            raise AssertionError("a wrong secret verified")


async def test_a_failed_videos_webhook_says_so(stack: Stack) -> None:
    account = stack.account()
    await stack.reset("receiver")
    url = stack["SIM_RECEIVER_URL"] + "/hooks/failed"
    prompt = "[simulate:policy_input] something refused"
    async with stack.client(account) as client:
        task = await client.videos.create(**VIDEO, prompt=prompt, extra_body={"callback_url": url})

        async def delivered() -> bool:
            return bool((await stack._simulator("GET", "receiver", "/__deliveries"))["deliveries"])

        await until(delivered)
        delivery = (await stack._simulator("GET", "receiver", "/__deliveries"))["deliveries"][0]
        event = client.webhooks.unwrap(delivery["body"], delivery["headers"], secret=account.webhook_secret)
        assert (event.type, event.data.id) == ("video.failed", task.id)
        seen = await client.videos.retrieve(task.id)
        assert seen.status == "failed"
        assert seen.error is not None


async def test_a_callback_into_a_private_network_is_refused_before_anything_is_held(stack: Stack) -> None:
    account = stack.account(1_000)
    for url in ("http://169.254.169.254/latest", "https://10.0.0.1/x", "ftp://example.org/", "https://[::1]:99/"):
        status, body = await stack.native(
            "POST",
            "/images/generations",
            account,
            json={"model": "gpt-image-2", "prompt": "x", "callback_url": url},
        )
        assert status == 400, (url, body)
        assert body["error"]["param"] == "callback_url"
    _, balance = await stack.native("GET", "/balance", account)
    assert balance["held_credits"] == 0
