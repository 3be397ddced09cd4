"""What each try of a delivery came to; rows that are there have none, and none is written."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0022_api_key_named_in_capitals")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="results",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()), default=list, editable=False
            ),
        ),
    ]
