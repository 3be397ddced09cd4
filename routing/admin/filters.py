"""Filters whose choices are known without reading a table."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from routing.admin.scope import streams_administered_by

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
