"""What speaks XML: buckets, lifecycle, lists, multipart book-keeping. boto3, in threads, loaded when first used."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from common.messaging.failures import CannotReach
from common.objects.errors import NotFound, ObjectError
from common.objects.transport import error_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, LifecycleRuleTypeDef

Result = TypeVar("Result")

_ALREADY = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a list shows it."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime


class Control:
    """The operations boto3 does for us; at most four at a time, the rest wait their turn."""

    def __init__(self, *, endpoint_url: str, region: str, access_key_id: str, secret_access_key: str) -> None:
        self._endpoint_url = endpoint_url
        self._region = region
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="objects")
        self._making = threading.Lock()
        self._made: S3Client | None = None

    def stop(self) -> None:
        """Let the threads end; what runs is finished."""
        self._threads.shutdown(wait=False)

    async def ensure_bucket(self, bucket: str) -> None:
        """Create the bucket if it is missing; a token that may not create needs it to exist."""

        def ensure(s3: "S3Client") -> None:
            try:
                s3.head_bucket(Bucket=bucket)
            except s3.exceptions.ClientError as exc:
                if exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
                    raise
            else:
                return
            try:
                s3.create_bucket(Bucket=bucket)
            except s3.exceptions.ClientError as exc:
                if exc.response.get("Error", {}).get("Code") not in _ALREADY:
                    raise

        await self._run(f"creating {bucket}", ensure)

    async def put_lifecycle(self, bucket: str, expire_days: Mapping[str, int]) -> None:
        """Let the store delete what is this many days old under each prefix, and unfinished uploads after a day.

        A net below our own sweeper: stores run these rules late, in whole days.
        """
        rules: list[LifecycleRuleTypeDef] = [
            {
                "ID": f"expire-{prefix.strip('/').replace('/', '-') or 'all'}",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "Expiration": {"Days": days},
            }
            for prefix, days in sorted(expire_days.items())
        ]
        rules.append(
            {
                "ID": "abort-unfinished",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        )
        await self._run(
            f"the lifecycle of {bucket}",
            lambda s3: s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules}),
        )

    async def list_prefix(self, bucket: str, prefix: str, limit: int) -> list[Listed]:
        """At most ``limit`` objects under a prefix, in order of key."""

        def pages(s3: "S3Client") -> list[Listed]:
            found: list[Listed] = []
            # The paginator ends by itself when a store repeats a token.
            for page in s3.get_paginator("list_objects_v2").paginate(
                Bucket=bucket, Prefix=prefix, PaginationConfig={"MaxItems": limit, "PageSize": min(1000, limit)}
            ):
                found += [
                    Listed(o["Key"], o["Size"], o.get("ETag", "").strip('"'), o["LastModified"])
                    for o in page.get("Contents", [])
                ]
            return found

        return await self._run(f"listing {bucket}", pages)

    async def begin_upload(self, bucket: str, key: str, media_type: str) -> str:
        """Begin a multipart upload; the id that its parts carry."""
        made = await self._run(
            f"an upload to {bucket}",
            lambda s3: s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType=media_type),
        )
        return made["UploadId"]

    async def complete_upload(self, bucket: str, key: str, upload_id: str, etags: Sequence[str]) -> None:
        """Make the object out of its parts, in order. Raises NotFound when the upload is no longer known."""
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)
        ]
        await self._run(
            f"completing an upload to {bucket}",
            lambda s3: s3.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
            ),
        )

    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        """Throw the parts away; fine if they are gone."""
        try:
            await self._run(
                f"aborting an upload to {bucket}",
                lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id),
            )
        except NotFound:
            return

    async def _run(self, what: str, work: "Callable[[S3Client], Result]") -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._do, what, work)

    def _do(self, what: str, work: "Callable[[S3Client], Result]") -> Result:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from botocore.exceptions import ConnectionError as NoConnection

        try:
            return work(self._client())
        except ClientError as exc:
            answer: Any = exc.response
            status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
            raise error_of(status, str(answer.get("Error", {}).get("Code", "")), what) from exc
        except (NoConnection, HTTPClientError) as exc:
            raise CannotReach(f"the object store does not answer to {what}: {type(exc).__name__}") from exc
        except BotoCoreError as exc:
            raise ObjectError(f"{what}: {type(exc).__name__}") from exc

    def _client(self) -> "S3Client":
        with self._making:
            if self._made is None:
                import boto3
                from botocore.config import Config

                self._made = boto3.session.Session().client(
                    "s3",
                    endpoint_url=self._endpoint_url,
                    region_name=self._region,
                    aws_access_key_id=self._access_key_id,
                    aws_secret_access_key=self._secret_access_key,
                    config=Config(
                        signature_version="s3v4",
                        s3={"addressing_style": "path"},
                        # R2 and older stores do not know the checksums that boto3 adds by itself.
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                        retries={"mode": "standard", "total_max_attempts": 3},
                        connect_timeout=5,
                        read_timeout=20,
                    ),
                )
            return self._made
