"""The benchmark of an import, at a small size."""

from pathlib import Path

import pytest

from benchmarks.cast import make_stream
from benchmarks.imports import import_here, write_items
from routing.models import Item


@pytest.mark.django_db(transaction=True)
def test_file_is_imported_whole(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    make_stream("imported")
    write_items(path, 2_000)
    found = import_here("imported", str(path))
    assert sorted(found) == ["import_items_s", "import_mib"]
    assert found["import_items_s"] > 0.0
    assert found["import_mib"] > 20.0
    assert Item.objects.filter(stream__key="imported").count() == 2_000
