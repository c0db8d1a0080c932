"""Tells a webhook who joined an audience, who left it and who changed, until its list is ours."""

import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
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
        changed: how many were there and got other values.
        rejected: why the destination did not take a customer, by id.
        failed: why batches did not arrive; empty if all did.

    """

    joined: int = 0
    left: int = 0
    changed: int = 0
    rejected: dict[str, str] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Batch:
    """Customers that are sent together."""

    joined: Sequence[str] = ()
    left: Sequence[str] = ()
    changed: Sequence[str] = ()


def signature(secret: str, moment: int, body: bytes) -> str:
    """The value of the header ``CIP-Signature``: the time, and the HMAC-SHA256 of the time, a point and the body."""
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def pending(wanted: Mapping[str, str], marks: Marks, size: int) -> Iterator[Batch]:
    """The batches that make the destination's list the wanted one, of which the hash of each row is given."""
    joined = sorted(each for each in wanted if marks.of.get(each) is not Mark.IN)
    changed = sorted(
        each for each in wanted if marks.of.get(each) is Mark.IN and marks.sent[each] != wanted[each]
    )
    left = sorted(each for each, mark in marks.of.items() if mark is not Mark.OUT and each not in wanted)
    yield from (Batch(left=ids) for ids in _in_batches(left, size))
    yield from (Batch(joined=ids) for ids in _in_batches(joined, size))
    yield from (Batch(changed=ids) for ids in _in_batches(changed, size))


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
    told, hashes = Told(), {each: _hash(row) for each, row in members.items()}
    with requests.Session() as session:
        for number in range(ROUNDS):
            told.failed, told.rejected = "", {}
            for batch in pending(hashes, marks, destination.batch):
                _send(
                    session,
                    destination,
                    secret,
                    _body(audience, day, batch, members, marks),
                    batch,
                    hashes,
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
        "changed": [{"customer_id": each, **members[each]} for each in batch.changed],
    }


def _hash(row: Row) -> str:
    """A text that is another one if what is sent of a customer is."""
    return hashlib.sha256(json.dumps(row, default=str).encode()).hexdigest()[:16]


def _send(
    session: requests.Session,
    destination: Webhook,
    secret: str,
    content: Mapping[str, Any],
    batch: Batch,
    hashes: Mapping[str, str],
    marks: Marks,
    told: Told,
) -> None:
    """Send one batch, and keep what is known of its customers then."""
    body, moment = json.dumps(content, default=str).encode(), int(time.time())
    headers = {"Content-Type": "application/json", SIGNATURE: signature(secret, moment, body)}
    marks.add(Mark.MAYBE, dict.fromkeys((*batch.joined, *batch.left, *batch.changed)))
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
    joined, left, changed = (
        [each for each in ids if each not in rejected] for ids in (batch.joined, batch.left, batch.changed)
    )
    marks.add(Mark.IN, {each: hashes[each] for each in (*joined, *changed)})
    marks.add(Mark.OUT, dict.fromkeys(left))
    told.joined += len(joined)
    told.left += len(left)
    told.changed += len(changed)


def _rejected(answer: requests.Response) -> dict[str, str]:
    """The customers that the destination did not take, with the reasons: ``{"rejected": {"<id>": "<reason>"}}``."""
    try:
        content = answer.json()
    except requests.JSONDecodeError:
        return {}
    found = content.get("rejected") if isinstance(content, dict) else None
    return {str(each): str(why) for each, why in found.items()} if isinstance(found, dict) else {}
