"""Outputs and sealed files in an S3-compatible store: bytes through aiohttp, book-keeping through boto3."""

from common.objects.control import Listed
from common.objects.errors import NotFound, ObjectError, Refused, TooLarge
from common.objects.keys import output_key, output_prefix, staging_key, staging_prefix
from common.objects.metering import ShortStream, Written
from common.objects.store import Deleted, Head, ObjectStore, ObjectStream, digest_of

__all__ = [
    "Deleted",
    "Head",
    "Listed",
    "NotFound",
    "ObjectError",
    "ObjectStore",
    "ObjectStream",
    "Refused",
    "ShortStream",
    "TooLarge",
    "Written",
    "digest_of",
    "output_key",
    "output_prefix",
    "staging_key",
    "staging_prefix",
]
