"""Lists of what happened: nobody adds, changes or deletes, and no page counts a large table."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import OperationalError, connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from psycopg.errors import QueryCanceled

from routing.admin.scope import InStream, streams_administered_by
from routing.models import Item

if TYPE_CHECKING:
    BasePaginator = Paginator[Any]
    ModelAdmin = admin.ModelAdmin[Any]
else:
    BasePaginator = Paginator
    ModelAdmin = admin.ModelAdmin

COUNTED: Final = 5_000
COUNTING_MS: Final = 1_000
FOUND_ITEMS: Final = 100
# What Django's filters of choices, truths, dates and related rows put into an address.
FILTERED_BY: Final = ("exact", "isnull", "gte", "lt", "id__exact")


class BoundedPaginator(BasePaginator):
    """Counts up to `COUNTED` rows, so that a page costs the same whatever the table holds.

    Where few rows pass a filter, counting reads all others on the way: it is given up after
    `COUNTING_MS`, and the list goes on as if there were `COUNTED`.
    """

    @cached_property
    def count(self) -> int:
        found: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        if not found.query.where:
            return found.order_by()[:COUNTED].count()
        try:
            with transaction.atomic(using=found.db), connections[found.db].cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %s", [COUNTING_MS])
                counted = found.order_by()[:COUNTED].count()
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            return COUNTED
        return counted


class ReadOnly(InStream, ModelAdmin):
    """A list and a page to read; newest first by primary key, which sorts by time.

    `search_exact` names the lookup that a search compares whole: the external id of an item,
    its own or that of `item`, or a field of the model.
    """

    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    paginator = BoundedPaginator
    change_form_template = "admin/record.html"
    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions: Sequence[Any] | None = None
    search_exact = ""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """What the list's own filters ask, and nothing more.

        Django lets any comparison of the model's own fields pass, by which one could feel for
        scores that are hidden, digit by digit, and have the database compile any expression.
        """
        own = {
            name
            for each in self.get_list_filter(request)
            for name in _parameters(each[0] if isinstance(each, (tuple, list)) else each)
        }
        return lookup in own and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:  # noqa: ARG002
        return (self.search_exact,) if self.search_exact else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows whose key is the term, found by the indexes that `stream` leads."""
        term = search_term.strip()
        if not term or not self.search_exact:
            return queryset, False
        streams = ids_of_streams(request)
        if self.search_exact == "item__external_id":
            return queryset.filter(item_id__in=find_items(streams, term)), False
        try:
            value = self.model._meta.get_field(self.search_exact).to_python(term)
        except ValidationError:
            return queryset.none(), False
        return queryset.filter(stream__in=streams, **{self.search_exact: value}), False


def ids_of_streams(request: HttpRequest) -> list[UUID]:
    """The streams that one administers."""
    streams = streams_administered_by(request.user)
    return list(streams.order_by().values_list("id", flat=True))


def find_items(streams: Sequence[UUID], external_id: str) -> list[UUID]:
    """The items of this external id in the streams."""
    items = Item.objects.filter(stream__in=streams, external_id=external_id)
    return list(items.order_by().values_list("id", flat=True)[:FOUND_ITEMS])


def show_json(value: object) -> SafeString:
    """A JSON value, indented, as text."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="json">{}</pre>', text)


def show_share(value: float | None, decimals: int = 3) -> str:
    """A probability with a fixed number of decimals, or a dash."""
    return "–" if value is None else f"{value:.{decimals}f}"


def _parameters(of: Any) -> Iterator[str]:
    """What a filter of a list may ask by: a class by its parameter, a field in Django's ways."""
    if isinstance(of, str):
        yield of
        yield from (f"{of}__{lookup}" for lookup in FILTERED_BY)
    else:
        yield of.parameter_name
