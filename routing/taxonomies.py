"""A stream's categories, kept in memory for as long as nobody changes them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from routing.models import Category

# Differs as soon as a row was added, removed or written again, whoever did it and however: each
# version of a row has a place and a transaction of its own.
TAXONOMY_MARK = """(
    SELECT sum(hash_record_extended(ROW(category.id, category.xmin, category.ctid), 0))
    FROM routing_category AS category WHERE category.stream_id = %(stream)s)"""


class Taxonomy:
    """All categories in the taxonomy's order, those that were retired too. Not to be changed."""

    def __init__(self, categories: Iterator[Category]) -> None:
        self.by_key: Mapping[str, Category] = {one.key: one for one in categories}
        self.active = tuple(one for one in self.by_key.values() if one.retired_at is None)

    def label_of(self, key: str) -> str:
        """The category's label; an unknown key stands for itself."""
        category = self.by_key.get(key)
        return key if category is None else category.label


@lru_cache(maxsize=256)
def taxonomy_as_of(stream_id: UUID, mark: Decimal | None) -> Taxonomy:  # noqa: ARG001 - the cache's key
    """The taxonomy of a stream; `mark` is what `TAXONOMY_MARK` said just now."""
    return Taxonomy(
        Category.objects.filter(stream=stream_id).order_by("position", "key").iterator()
    )
