"""The benchmark of an export, at a small size."""

import pytest

from benchmarks.export import export_here
from benchmarks.recalibrate import make_labelled_stream


@pytest.mark.django_db(transaction=True)
def test_stream_is_exported_whole() -> None:
    make_labelled_stream("exported", labels=2_000, categories=5)
    found = export_here("exported")
    assert sorted(found) == ["export_items_s", "export_mib", "limit_json_items_s"]
    assert 100.0 < found["export_items_s"] < 10_000_000.0
    assert found["export_mib"] > 20.0
