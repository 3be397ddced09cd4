"""The benchmark of insight pages, at a small size."""

import pytest
from django.contrib.auth.models import User

from benchmarks.clients import percentile
from benchmarks.pages import measure
from benchmarks.recalibrate import make_labelled_stream


@pytest.mark.django_db(transaction=True)
def test_every_page_of_a_stream_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    make_labelled_stream("paged", labels=500, categories=5)
    found = measure("paged")
    assert sorted(found) == ["move_p95_ms", "page_queries", "sheet_s", "slowest_page_p95_ms"]
    assert 1.0 < found["slowest_page_p95_ms"] < 60_000.0
    assert 3 < found["page_queries"] < 20
    assert 1.0 < found["move_p95_ms"] < 60_000.0
    printed = capsys.readouterr().out
    assert "/streams/paged/insight/health/?by=days" in printed
    assert "sheet drift" in printed
    assert not User.objects.filter(username="bench-pages").exists()


def test_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], 0.95) == 96.0
    assert percentile([3.0], 0.95) == 3.0
