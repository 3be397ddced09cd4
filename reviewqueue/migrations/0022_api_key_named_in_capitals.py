"""What the admin calls a key of the API; no table changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0021_guard_history")]

    operations = [
        migrations.AlterModelOptions(
            name="apikey",
            options={
                "ordering": ["name"],
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
            },
        ),
    ]
