"""P11: outputs live for a stated window, then are gone."""

import aiohttp

from support.jobs import image
from support.stack import running_stack, until


async def test_an_output_is_there_until_its_time_and_then_gone_from_everywhere() -> None:
    with running_stack("expiry", OUTPUT_TTL_S="6") as stack:
        account = stack.account()
        told = await image(stack, account, "a sandcastle")
        assert told.ok
        url = told.value.data[0].url
        row = stack.query("select key from storage.assets where account_id = %(a)s::uuid", a=account.account_id)[0]
        async with aiohttp.ClientSession() as http:
            async with http.get(url, allow_redirects=False) as link:
                assert link.status == 302
                presigned = link.headers["location"]
            async with http.get(url) as answer:
                assert answer.status == 200
                assert len(await answer.read()) > 1_000

            async def gone() -> bool:
                async with http.get(url) as answer:
                    return answer.status == 410

            await until(gone, limit_s=20)
            # Not even the link handed out earlier reaches it: neither by signature nor in the bucket.
            async with http.get(presigned) as answer:
                assert answer.status in {403, 404}

            def deleted() -> bool:
                rows = stack.query("select deleted_at from storage.assets where key = %(k)s", k=row["key"])
                return rows[0]["deleted_at"] is not None

            await until(deleted, limit_s=20)
        import boto3

        s3 = boto3.client(
            "s3",
            endpoint_url=stack["S3_ENDPOINT_URL"],
            aws_access_key_id=stack["S3_ACCESS_KEY_ID"],
            aws_secret_access_key=stack["S3_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        listed = s3.list_objects_v2(Bucket=stack["S3_BUCKET"], Prefix=row["key"])
        s3.close()
        assert listed["KeyCount"] == 0
