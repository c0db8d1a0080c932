"""Tells a webhook who joined an audience and who left it, until its list is ours."""

import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import requests

from cip_assets.audiences.config import Webhook
from cip_assets.audiences.marks import Mark, Marks
from cip_assets.config.errors import PlatformError

ROUNDS = 6
"""How often a batch is tried before the rest is left for the next time."""

SECONDS = 20
"""How long a destination may take to answer."""

SIGNATURE = "CIP-Signature"

Row = Mapping[str, Any]


@dataclass
class Told:
    """What a destination was told.

    Attributes:
        joined: how many were added.
        left: how many were taken away.
        rejected: why the destination did not take a customer, by id.
        failed: why batches did not arrive; empty if all did.

    """

    joined: int = 0
    left: int = 0
    rejected: dict[str, str] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Batch:
    """Customers that are sent together."""

    joined: Sequence[str]
    left: Sequence[str]


def signature(secret: str, moment: int, body: bytes) -> str:
    """The value of the header ``CIP-Signature``: the time, and the HMAC-SHA256 of the time, a point and the body."""
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def pending(wanted: AbstractSet[str], marks: Marks, size: int) -> Iterator[Batch]:
    """The batches that make the destination's list the wanted one."""
    joined = sorted(each for each in wanted if marks.of.get(each) is not Mark.IN)
    left = sorted(each for each, mark in marks.of.items() if mark is not Mark.OUT and each not in wanted)
    yield from (Batch([], ids) for ids in _in_batches(left, size))
    yield from (Batch(ids, []) for ids in _in_batches(joined, size))


def _in_batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    yield from (ids[start : start + size] for start in range(0, len(ids), size))


def tell(
    destination: Webhook,
    audience: str,
    day: date,
    members: Mapping[str, Row],
    marks: Marks,
    wait: float = 1.0,
) -> Told:
    """Send what the destination does not know yet. A batch that fails is tried again, after longer and longer waits.

    Args:
        destination: the address and the name of its secret.
        audience: the name of the audience.
        day: the snapshot day.
        members: what is sent of each member, by id.
        marks: what the destination was told before.
        wait: the seconds before the second round; twice as many before each next one.

    Raises:
        PlatformError: the secret is not set.

    """
    secret = os.environ.get(destination.secret)
    if not secret:
        raise PlatformError(
            f"audience {audience}: set the environment variable {destination.secret} to the key of {destination.name}"
        )
    told = Told()
    with requests.Session() as session:
        for number in range(ROUNDS):
            told.failed, told.rejected = "", {}
            for batch in pending(members.keys(), marks, destination.batch):
                _send(
                    session,
                    destination,
                    secret,
                    _body(audience, day, batch, members, marks),
                    batch,
                    marks,
                    told,
                )
            if not told.failed:
                break
            if number < ROUNDS - 1:
                time.sleep(wait * 2**number)
    return told


def _body(
    audience: str, day: date, batch: Batch, members: Mapping[str, Row], marks: Marks
) -> Mapping[str, Any]:
    return {
        "audience": audience,
        "as_of": str(day),
        "sequence": marks.next_sequence(),
        "joined": [{"customer_id": each, **members[each]} for each in batch.joined],
        "left": list(batch.left),
    }


def _send(
    session: requests.Session,
    destination: Webhook,
    secret: str,
    content: Mapping[str, Any],
    batch: Batch,
    marks: Marks,
    told: Told,
) -> None:
    """Send one batch, and keep what is known of its customers then."""
    body, moment = json.dumps(content, default=str).encode(), int(time.time())
    headers = {"Content-Type": "application/json", SIGNATURE: signature(secret, moment, body)}
    marks.add(Mark.MAYBE, (*batch.joined, *batch.left))
    try:
        answer = session.post(
            destination.url, data=body, headers=headers, timeout=SECONDS, allow_redirects=False
        )
    except requests.RequestException as error:
        told.failed = type(error).__name__
        return
    if not 200 <= answer.status_code < 300:
        told.failed = f"status {answer.status_code}"
        return
    rejected = _rejected(answer)
    told.rejected |= rejected
    joined, left = set(batch.joined) - rejected.keys(), set(batch.left) - rejected.keys()
    marks.add(Mark.IN, joined)
    marks.add(Mark.OUT, left)
    told.joined += len(joined)
    told.left += len(left)


def _rejected(answer: requests.Response) -> dict[str, str]:
    """The customers that the destination did not take, with the reasons: ``{"rejected": {"<id>": "<reason>"}}``."""
    try:
        content = answer.json()
    except requests.JSONDecodeError:
        return {}
    found = content.get("rejected") if isinstance(content, dict) else None
    return {str(each): str(why) for each, why in found.items()} if isinstance(found, dict) else {}
