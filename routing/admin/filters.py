"""Filters whose choices are known without reading a table."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from routing.admin.scope import streams_administered_by
from routing.models import Category, CategoryRule

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Choice = tuple[str, "str | _StrPromise"]


class StreamFilter(admin.SimpleListFilter):
    """The streams one administers, by name."""

    title = _("stream")
    parameter_name = "stream"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        streams = streams_administered_by(request.user)
        return [(str(stream.id), stream.name) for stream in streams.order_by("name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        known = {key for key, _name in self.lookup_choices}
        return queryset.filter(stream_id=self.value()) if self.value() in known else queryset


class WatchFilter(admin.SimpleListFilter):
    """Decisions on a category's watch list, or on any; of the chosen stream, if one is."""

    title = _("watch list")
    parameter_name = "watch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[Choice]:  # noqa: ARG002
        rules = CategoryRule.objects.filter(policy__version__isnull=False, watch__isnull=False)
        watched = Category.objects.filter(
            id__in=rules.order_by().values("category_id"),
            stream__in=streams_administered_by(request.user),
        ).select_related("stream")
        chosen = request.GET.get(StreamFilter.parameter_name)
        names = [
            (str(category.id), f"{category.stream}: {category.label}")
            for category in watched.order_by("stream__name", "position", "key")
            if chosen in (None, str(category.stream_id))
        ]
        return [("any", _("any")), *names] if names else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        chosen = self.value()
        if chosen is None or chosen not in {key for key, _name in self.lookup_choices}:
            return queryset
        # In the words of the index `decision_watched`.
        on_a_list = queryset.exclude(watch=[])
        if chosen == "any":
            return on_a_list
        category = Category.objects.get(id=chosen)
        return on_a_list.filter(stream=category.stream_id, watch__contains=[category.key])


class UnsetFilter(admin.SimpleListFilter):
    """Whether `field` is unset or set, in words; the first is for unset."""

    title = _("state")
    parameter_name = "state"
    field: ClassVar[str]
    words: ClassVar[tuple[Choice, Choice]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [(key, str(word)) for key, word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        unset, filled = (key for key, _word in self.words)
        if self.value() not in (unset, filled):
            return queryset
        return queryset.filter(**{f"{self.field}__isnull": self.value() == unset})
