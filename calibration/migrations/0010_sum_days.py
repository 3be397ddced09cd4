"""Sum up the days that were counted before."""

from django.db import migrations

SUM_UP = """
    INSERT INTO calibration_daycount (id, stream_id, day, model_version, bin, queue, count)
    SELECT gen_random_uuid(), stream_id, day, model_version, bin, queue, sum(count)
    FROM calibration_framecount GROUP BY stream_id, day, model_version, bin, queue
"""


class Migration(migrations.Migration):
    dependencies = [("calibration", "0009_draw_watched")]

    operations = [migrations.RunSQL(SUM_UP, migrations.RunSQL.noop)]
