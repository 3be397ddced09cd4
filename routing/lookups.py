"""A question asked of each row by an index, in place of EXISTS.

PostgreSQL answers an EXISTS that stands beside others in an OR by reading all rows that it could
be about into a hash, once a statement: good for a whole table, and most of the time that a page of
fifty rows takes. A subquery for a value is asked row by row. COALESCE keeps the guess that half of
the rows pass; IS NULL would be taken for one in two hundred, and the joins after it for hardly any.
"""

from typing import Any

from django.db.models import BooleanField, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce


def there_is(rows: QuerySet[Any]) -> Coalesce:
    """Whether there is one of `rows`, which refer to the outer row; for pages, not whole tables."""
    found = rows.order_by().values_list(Value(True, output_field=BooleanField()))[:1]
    return Coalesce(Subquery(found), Value(False), output_field=BooleanField())
