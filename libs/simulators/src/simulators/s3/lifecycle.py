"""Lifecycle rules that really run: what is old enough is deleted, by a clock that tests can turn.

As on Cloudflare R2, age counts from the last write in whole 24-hour days, without rounding to midnight.
"""

import asyncio
import dataclasses
import json
import secrets
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from simulators.s3.documents import Fields, document, parse
from simulators.s3.errors import S3Error, malformed_xml
from simulators.s3.store import Store
from simulators.s3.uploads import Uploads

DAY_S = 86_400
RULES_LIMIT = 1000
BATCH = 500
_SPOKEN = {"ID", "Status", "Filter", "Prefix", "Expiration", "AbortIncompleteMultipartUpload"}


@dataclass(slots=True, frozen=True)
class Rule:
    """What happens to objects and unfinished uploads under one prefix."""

    id: str
    enabled: bool
    prefix: str
    expire_days: int | None
    abort_days: int | None


def _days(rule: ET.Element, action: str, name: str) -> int | None:
    element = rule.find(action)
    if element is None:
        return None
    if [child.tag for child in element] != [name]:
        raise S3Error("NotImplemented", f"{action} takes {name} only.")
    text = (element.findtext(name) or "").strip()
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 36_500:
        raise S3Error("InvalidArgument", f"'{name}' for {action} action must be a positive integer")
    return int(text)


def _rule(element: ET.Element) -> Rule:
    if unspoken := {child.tag for child in element} - _SPOKEN:
        raise S3Error("NotImplemented", f"Lifecycle {', '.join(sorted(unspoken))} is not implemented.")
    status = element.findtext("Status")
    if status not in {"Enabled", "Disabled"}:
        raise malformed_xml()
    prefix = element.findtext("Prefix") or ""
    if (scope := element.find("Filter")) is not None:
        if any(child.tag != "Prefix" for child in scope):
            raise S3Error("NotImplemented", "A lifecycle filter takes a prefix only.")
        prefix = scope.findtext("Prefix") or ""
    rule = Rule(
        id=element.findtext("ID") or secrets.token_hex(12),
        enabled=status == "Enabled",
        prefix=prefix,
        expire_days=_days(element, "Expiration", "Days"),
        abort_days=_days(element, "AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
    )
    if rule.expire_days is None and rule.abort_days is None:
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule.")
    return rule


def parse_rules(body: bytes) -> list[Rule]:
    """Read a LifecycleConfiguration; what would not be enforced is refused instead of stored."""
    rules = [_rule(element) for element in parse(body, "LifecycleConfiguration").findall("Rule")]
    if not 0 < len(rules) <= RULES_LIMIT:
        raise malformed_xml()
    if len({rule.id for rule in rules}) != len(rules):
        raise S3Error("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
    return rules


def dump_rules(rules: list[Rule]) -> str:
    """Rules as the store keeps them."""
    return json.dumps([dataclasses.asdict(rule) for rule in rules])


def load_rules(text: str) -> list[Rule]:
    """The inverse of `dump_rules`."""
    return [Rule(**fields) for fields in json.loads(text)]


def rules_document(rules: list[Rule]) -> bytes:
    """Rules as GetBucketLifecycleConfiguration answers them."""

    def fields(rule: Rule) -> Fields:
        yield "ID", rule.id
        yield "Filter", [("Prefix", rule.prefix)]
        yield "Status", "Enabled" if rule.enabled else "Disabled"
        if rule.expire_days is not None:
            yield "Expiration", [("Days", rule.expire_days)]
        if rule.abort_days is not None:
            yield "AbortIncompleteMultipartUpload", [("DaysAfterInitiation", rule.abort_days)]

    return document("LifecycleConfiguration", [("Rule", fields(rule)) for rule in rules])


@dataclass(slots=True)
class Enforced:
    """What one run of the rules did."""

    expired: int = 0
    aborted: int = 0


async def enforce(store: Store, uploads: Uploads, now_s: float) -> Enforced:
    """Apply every enabled rule of every bucket as of `now_s`, in small steps so that requests pass between them."""
    done = Enforced()
    for bucket, _ in store.buckets():
        if not store.has_bucket(bucket):
            continue
        for rule in load_rules(store.lifecycle(bucket)):
            if rule.enabled and rule.expire_days is not None:
                cut_off_s = now_s - rule.expire_days * DAY_S
                while keys := store.older_than(bucket, rule.prefix.encode(), cut_off_s, BATCH):
                    done.expired += sum(store.delete(bucket, key) for key in keys)
                    await asyncio.sleep(0)
            if rule.enabled and rule.abort_days is not None:
                cut_off_s = now_s - rule.abort_days * DAY_S
                while ids := uploads.older_than(bucket, rule.prefix, cut_off_s, BATCH):
                    for upload_id in ids:
                        uploads.end(upload_id)
                    done.aborted += len(ids)
                    await asyncio.sleep(0)
    return done
