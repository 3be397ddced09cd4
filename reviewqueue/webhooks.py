"""Webhooks: paused, resumed, disabled by their receiver, given new secrets, tried."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from reviewqueue.messages import Message, write_message
from reviewqueue.posting import Posted, post_message
from reviewqueue.webhook_models import Delivery, Webhook
from reviewqueue.webhook_signatures import make_secret
from routing.events import record_event

if TYPE_CHECKING:
    from django.contrib.auth.models import User

State = Webhook.State

# For so long after a rotation messages are signed with either secret.
ROTATION: Final = timedelta(hours=24)
PING: Final = "webhook.test"


def secrets_in_force(webhook: Webhook) -> list[str]:
    """The secrets that sign now, the newest first."""
    until = webhook.previous_until
    rotating = until is not None and until > timezone.now()
    return [webhook.secret, *([webhook.previous_secret] if rotating else [])]


@transaction.atomic
def rotate_secret(*, webhook_id: UUID, by: "User") -> str:
    """Give the webhook another secret and return it; the old one signs beside it for a day."""
    webhook = Webhook.objects.select_for_update().get(id=webhook_id)
    webhook.previous_secret = webhook.secret
    webhook.previous_until = timezone.now() + ROTATION
    webhook.secret = make_secret()
    webhook.save(update_fields=["secret", "previous_secret", "previous_until"])
    _note(webhook, "webhook.secret_rotated", by)
    return webhook.secret


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
    if not found.update(state=State.DISABLED, disabled_reason=reason[:300]):
        return False
    Delivery.objects.filter(webhook_id=webhook_id, state=Delivery.State.DUE).update(
        state=Delivery.State.DEAD,
        closed_at=Now(),
        error=f"the webhook was disabled: {reason}"[:300],
    )
    _note(Webhook.objects.get(id=webhook_id), "webhook.disabled", by, reason=reason)
    return True


def ping_webhook(webhook: Webhook) -> Posted:
    """Send a signed test message at once, whatever the webhook's state; nothing is stored."""
    message = Message(
        id=str(uuid4()),
        type=PING,
        timestamp=timezone.now().isoformat(),
        data={"stream": webhook.stream.key, "webhook": str(webhook.id)},
    )
    return post_message(
        url=webhook.url,
        secrets_in_force=secrets_in_force(webhook),
        message_id=message["id"],
        body=write_message(message),
    )


def _move(
    webhook_id: UUID, before: Webhook.State, after: Webhook.State, told: str, by: "User"
) -> bool:
    moved = Webhook.objects.filter(id=webhook_id, state=before).update(
        state=after, disabled_reason=""
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
