"""Seals the secrets that were stored as they are."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from reviewqueue.sealing import seal, unseal
from reviewqueue.webhook_signatures import PREFIX


def seal_all(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    """Secrets begin with their prefix, sealed ones never do, so that this may be run again."""
    for webhook in apps.get_model("reviewqueue", "Webhook").objects.all():
        for field in ("sealed_secret", "sealed_previous"):
            text = getattr(webhook, field)
            setattr(webhook, field, seal(text) if text.startswith(PREFIX) else text)
        webhook.save(update_fields=["sealed_secret", "sealed_previous"])


def open_all(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    """The way back."""
    for webhook in apps.get_model("reviewqueue", "Webhook").objects.all():
        for field in ("sealed_secret", "sealed_previous"):
            text = getattr(webhook, field)
            setattr(webhook, field, unseal(text) if text else text)
        webhook.save(update_fields=["sealed_secret", "sealed_previous"])


class Migration(migrations.Migration):
    dependencies = [
        ("reviewqueue", "0008_sealed_webhooks"),
    ]

    operations = [migrations.RunPython(seal_all, open_all)]
