"""The table of `CACHES`, as Django's `createcachetable` makes it."""

from django.db import migrations

CREATE = """
    CREATE TABLE IF NOT EXISTS reviewqueue_cache (
        cache_key varchar(255) NOT NULL PRIMARY KEY,
        value text NOT NULL,
        expires timestamp with time zone NOT NULL
    );
    -- Serves the removal of what has expired.
    CREATE INDEX IF NOT EXISTS reviewqueue_cache_expires ON reviewqueue_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("reviewqueue", "0013_budget_sheet")]

    operations = [migrations.RunSQL(CREATE, "DROP TABLE reviewqueue_cache")]
