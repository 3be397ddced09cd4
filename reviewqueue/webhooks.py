"""Webhooks: paused by a person or by themselves, resumed, disabled, given new secrets, tried."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from reviewqueue.messages import Message, write_message
from reviewqueue.posting import Posted, post_message
from reviewqueue.sealing import SealError, reseal, seal
from reviewqueue.webhook_models import Delivery, Webhook
from reviewqueue.webhook_signatures import make_secret
from routing.events import record_event

if TYPE_CHECKING:
    from django.contrib.auth.models import User

State = Webhook.State

# For so long after a rotation messages are signed with either secret.
ROTATION: Final = timedelta(hours=24)
PING: Final = "webhook.test"
# A webhook that received nothing for so long pauses, at a message that failed so often itself.
FAILING: Final = timedelta(days=5)
FAILED_TRIES: Final = 4


def secrets_in_force(webhook: Webhook) -> list[str]:
    """The secrets that sign now, the newest first. Raises `SealError` where no key opens them."""
    until = webhook.previous_until
    rotating = until is not None and until > timezone.now()
    return [webhook.secret, *([webhook.previous_secret] if rotating else [])]


@transaction.atomic
def rotate_secret(*, webhook_id: UUID, by: "User") -> str:
    """Give the webhook another secret and return it; the old one signs beside it for a day."""
    webhook = Webhook.objects.select_for_update().get(id=webhook_id)
    try:
        webhook.sealed_previous = seal(webhook.secret)
        webhook.previous_until = timezone.now() + ROTATION
    except SealError:  # it signs nothing any more: to renew it is the way out
        webhook.sealed_previous, webhook.previous_until = "", None
    secret = make_secret()
    webhook.sealed_secret = seal(secret)
    webhook.save(update_fields=["sealed_secret", "sealed_previous", "previous_until"])
    _note(webhook, "webhook.secret_rotated", by)
    return secret


@transaction.atomic
def reseal_webhooks() -> tuple[int, list[Webhook]]:
    """Seal all secrets under the first key; how many webhooks, and those that no key opens."""
    done, closed = 0, []
    for webhook in Webhook.objects.select_for_update().order_by("id"):
        try:
            webhook.sealed_secret = reseal(webhook.sealed_secret)
            webhook.sealed_previous = webhook.sealed_previous and reseal(webhook.sealed_previous)
        except SealError:
            closed.append(webhook)
            continue
        webhook.save(update_fields=["sealed_secret", "sealed_previous"])
        done += 1
    return done, closed


@transaction.atomic
def pause_webhook(*, webhook_id: UUID, by: "User") -> bool:
    """Send nothing for now; whether it was active. What falls due meanwhile waits."""
    return _move(webhook_id, State.ACTIVE, State.PAUSED, "webhook.paused", by)


@transaction.atomic
def resume_webhook(*, webhook_id: UUID, by: "User") -> bool:
    """Send again; whether it was paused or disabled. What was given up is there to be replayed."""
    return any(
        _move(webhook_id, state, State.ACTIVE, "webhook.resumed", by)
        for state in (State.PAUSED, State.DISABLED)
    )


@transaction.atomic
def disable_webhook(*, webhook_id: UUID, reason: str, by: "User | None" = None) -> bool:
    """Tell this address nothing any more; whether it was told until now.

    By a person, or since it says itself that it is gone. What was due is given up, and can be
    replayed by who knows better.
    """
    found = Webhook.objects.filter(id=webhook_id).exclude(state=State.DISABLED)
    if not found.update(state=State.DISABLED, stopped_reason=reason[:300]):
        return False
    Delivery.objects.filter(webhook_id=webhook_id, state=Delivery.State.DUE).update(
        state=Delivery.State.DEAD,
        closed_at=Now(),
        error=f"the webhook was disabled: {reason}"[:300],
    )
    _note(Webhook.objects.get(id=webhook_id), "webhook.disabled", by, reason=reason)
    return True


def note_receipt(*, webhook_id: UUID) -> None:
    """It received something, so that it is failing no more."""
    Webhook.objects.filter(id=webhook_id, failing_since__isnull=False).update(failing_since=None)


@transaction.atomic
def note_failure(*, webhook_id: UUID, tries: int, error: str) -> bool:
    """It did not receive a message at its try of this number; whether it is paused for that.

    One that received nothing for `FAILING` pauses by itself: what falls due waits instead of being
    given up, and the admin says so.
    """
    found = Webhook.objects.filter(id=webhook_id)
    if found.filter(failing_since=None).update(failing_since=Now()) or tries < FAILED_TRIES:
        return False
    reason = f"nothing was received for {FAILING.days} days, at last: {error}"[:300]
    if not found.filter(state=State.ACTIVE, failing_since__lte=Now() - FAILING).update(
        state=State.PAUSED, stopped_reason=reason
    ):
        return False
    _note(found.get(), "webhook.paused", None, reason=reason)
    return True


def post_to_webhook(webhook: Webhook, *, message_id: str, body: bytes) -> Posted:
    """Send the body, signed with the webhook's secrets. Queries nothing."""
    try:
        secrets = secrets_in_force(webhook)
    except SealError as error:
        return Posted(error=f"its secret cannot be read: {error}")
    return post_message(url=webhook.url, secrets_in_force=secrets, message_id=message_id, body=body)


def ping_webhook(webhook: Webhook) -> Posted:
    """Send a signed test message at once, whatever the webhook's state; nothing is stored."""
    message = Message(
        id=str(uuid4()),
        type=PING,
        timestamp=timezone.now().isoformat(),
        data={"stream": webhook.stream.key, "webhook": str(webhook.id)},
    )
    return post_to_webhook(webhook, message_id=message["id"], body=write_message(message))


def _move(
    webhook_id: UUID, before: Webhook.State, after: Webhook.State, told: str, by: "User"
) -> bool:
    moved = Webhook.objects.filter(id=webhook_id, state=before).update(
        state=after, stopped_reason="", failing_since=None
    )
    if moved:
        _note(Webhook.objects.get(id=webhook_id), told, by)
    return bool(moved)


def _note(webhook: Webhook, kind: str, by: "User | None", **data: object) -> None:
    record_event(
        stream_id=webhook.stream_id,
        kind=kind,
        subject_id=webhook.id,
        actor_id=None if by is None else by.pk,
        happened_at=None,
        **data,
    )
