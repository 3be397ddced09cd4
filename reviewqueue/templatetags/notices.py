"""What the admin's first page says before anything else."""

from django import template
from django.http import HttpRequest

from reviewqueue.webhook_models import Webhook
from routing.admin.scope import streams_administered_by

register = template.Library()

SHOWN = 5


@register.simple_tag
def webhooks_that_stopped(request: HttpRequest) -> list[Webhook]:
    """The webhooks of the user's streams that are told nothing and should be; a few at most."""
    if not request.user.has_perm("reviewqueue.view_webhook"):
        return []
    stopped = Webhook.objects.exclude(stopped_reason="").filter(state=Webhook.State.PAUSED)
    return list(
        stopped.filter(stream__in=streams_administered_by(request.user))
        .select_related("stream")
        .order_by("failing_since")[:SHOWN]
    )
