from django.db import migrations, models
from django.db.models import Q

import reviewqueue.webhook_models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewqueue", "0007_key_limits"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="webhook", name="webhook_previous_secret_ends"),
        migrations.RemoveConstraint(model_name="webhook", name="webhook_reason_if_disabled"),
        migrations.RenameField("webhook", "secret", "sealed_secret"),
        migrations.RenameField("webhook", "previous_secret", "sealed_previous"),
        migrations.RenameField("webhook", "disabled_reason", "stopped_reason"),
        migrations.AlterField(
            model_name="webhook",
            name="sealed_secret",
            field=models.CharField(
                default=reviewqueue.webhook_models.make_sealed_secret,
                editable=False,
                max_length=300,
            ),
        ),
        migrations.AlterField(
            model_name="webhook",
            name="sealed_previous",
            field=models.CharField(blank=True, editable=False, max_length=300),
        ),
        migrations.AlterField(
            model_name="webhook",
            name="stopped_reason",
            field=models.CharField(
                blank=True, editable=False, max_length=300, verbose_name="reason"
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="failing_since",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="webhook",
            constraint=models.CheckConstraint(
                condition=Q(sealed_previous="", previous_until__isnull=True)
                | (~Q(sealed_previous="") & Q(previous_until__isnull=False)),
                name="webhook_previous_secret_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhook",
            constraint=models.CheckConstraint(
                condition=~Q(state="active") | Q(stopped_reason=""),
                name="webhook_reason_if_stopped",
            ),
        ),
    ]
