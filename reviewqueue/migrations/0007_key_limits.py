from django.core.validators import MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reviewqueue", "0006_announcements"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="requests_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="A batch is one request. Empty: as for every key; 0: no limit.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="item_max_bytes",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Empty: as much as for every key; it is never more than that.",
                null=True,
                validators=[MinValueValidator(1)],
                verbose_name="bytes of an item",
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="batch_max_items",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Empty: as many as for every key; it is never more than that.",
                null=True,
                validators=[MinValueValidator(1)],
                verbose_name="items of a batch",
            ),
        ),
    ]
