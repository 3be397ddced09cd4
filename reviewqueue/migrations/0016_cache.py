"""The table of `reviewqueue.shared_cache`."""

from django.db import migrations

CREATE = """
    CREATE TABLE reviewqueue_cache (
        cache_key text NOT NULL PRIMARY KEY,
        value jsonb NOT NULL,
        expires timestamp with time zone NOT NULL
    );
    -- Serves the removal of what has expired.
    CREATE INDEX reviewqueue_cache_expires ON reviewqueue_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0015_drop_doubled_indexes")]

    operations = [migrations.RunSQL(CREATE, "DROP TABLE reviewqueue_cache")]
