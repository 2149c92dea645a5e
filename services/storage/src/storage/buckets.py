"""Both buckets with their lifecycle rules: a second net under the sweeper, days late by design.

Run once per deployment, beside the migrations, and not by the serving process: the client that speaks the stores'
administrative language costs 20 MB for life.
"""

import math

from common.objects import ObjectStore
from common.objects.keys import OUTPUT_CLASS

_DAY_S = 24 * 3600
_STAGING_DAYS = 1


async def prepare(objects: ObjectStore, ttl_s: int) -> None:
    """Make both buckets if they are missing, and let them drop what no row speaks of.

    Raises:
        CannotReach: the store is away.
        ObjectError: the credentials may not do this; then an operator makes buckets and rules.
    """
    await objects.ensure_bucket(objects.outputs, {f"{OUTPUT_CLASS}/": math.ceil(ttl_s / _DAY_S) + 1})
    await objects.ensure_bucket(objects.staging, {"": _STAGING_DAYS})
