"""Known answers: which items are slipped in, how often they were judged, and who was right."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from reviewqueue.known_answers import (
    KnownAnswerError,
    mark_known,
    measure_reviewers,
    retire_known,
    with_counts,
)
from reviewqueue.models import KnownAnswer, KnownKind
from reviewqueue.verdicts import Answer
from routing.admin.filters import StreamFilter, UnsetFilter
from routing.admin.pages import INVALID
from routing.admin.scope import InStream, streams_administered_by
from routing.models import Category, Stream

if TYPE_CHECKING:
    KnownModelAdmin = admin.ModelAdmin[KnownAnswer]
    CategoriesField = forms.ModelMultipleChoiceField[Category]
    StreamField = forms.ModelChoiceField[Stream]
else:
    KnownModelAdmin = admin.ModelAdmin
    CategoriesField = forms.ModelMultipleChoiceField
    StreamField = forms.ModelChoiceField


class RetiredFilter(UnsetFilter):
    field = "retired_at"
    words = (("live", gettext_lazy("in use")), ("retired", gettext_lazy("retired")))


class CategoriesOfStreamField(CategoriesField):
    """Categories of one stream, by their labels."""

    def label_from_instance(self, obj: Category) -> str:
        return obj.label


class StreamForm(forms.Form):
    """Which stream the item is of: the categories to choose from are its own."""

    stream = StreamField(label=gettext_lazy("Stream"), queryset=Stream.objects.none())

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["stream"].queryset = streams_administered_by(user)  # type: ignore[attr-defined]


class KnownForm(forms.Form):
    """An item of a stream by its external id, and the answer to it."""

    external_id = forms.CharField(
        label=gettext_lazy("External id"),
        max_length=200,
        help_text=gettext_lazy("Of an item that nobody has to judge any more."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=KnownKind.choices)
    categories = CategoriesOfStreamField(
        label=gettext_lazy("Categories"),
        queryset=Category.objects.none(),
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 12}),
        help_text=gettext_lazy("One; two or more where it is ambiguous; none where none fits."),
        error_messages={
            "invalid_choice": gettext_lazy("That is no category of this stream; choose its own."),
        },
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text=gettext_lazy("Why this is the answer; shown to admins only."),
    )

    def __init__(self, *args: Any, user: Any, stream: Stream, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.stream = stream
        self.known: KnownAnswer | None = None
        active = stream.categories.filter(retired_at=None).order_by("position", "key")
        self.fields["categories"].queryset = active  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Mark the item; what the command refuses stands at its field."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            self.known = mark_known(
                stream=self.stream,
                external_id=cleaned["external_id"].strip(),
                answer=Answer(cleaned["kind"], [each.key for each in cleaned["categories"]]),
                reason=cleaned["reason"],
                by=self.user,
            )
        except KnownAnswerError as error:
            self.add_error(error.field or None, str(error))
        return cleaned


@admin.register(KnownAnswer)
class KnownAnswerAdmin(InStream, KnownModelAdmin):
    """Marked by a form of its own, read afterwards, and retired; never deleted."""

    list_display = (
        "item",
        "stream",
        "answer",
        "judged",
        "right",
        "created_at",
        "retired_at",
    )
    list_filter = (StreamFilter, RetiredFilter, "kind")
    ordering = ("-id",)
    fields = ("stream", "item", "answer", "reason", "judged", "right", "created_by", "retired_at")
    actions = ("retire",)
    change_list_template = "admin/reviewqueue/knownanswer/change_list.html"
    change_form_template = "admin/record.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[KnownAnswer]:
        found: QuerySet[KnownAnswer] = super().get_queryset(request)
        found = with_counts(found).select_related("item", "stream", "created_by")
        return found.prefetch_related("stream__categories")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """It is retired; what was answered stays counted."""
        return False

    def has_retire_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("reviewqueue.change_knownanswer")

    @admin.display(description=gettext_lazy("answer"))
    def answer(self, known: KnownAnswer) -> str:
        labels = {each.key: each.label for each in known.stream.categories.all()}
        chosen = [labels.get(key, key) for key in known.categories]
        return ", ".join(chosen) or known.get_kind_display()

    @admin.display(description=gettext_lazy("judged"))
    def judged(self, known: Any) -> int:
        return int(known.judged_count)

    @admin.display(description=gettext_lazy("right"))
    def right(self, known: Any) -> str:
        return f"{known.right_count}" if known.judged_count else "–"

    @admin.action(
        permissions=["retire"], description=gettext_lazy("Slip the selected ones in no more")
    )
    def retire(self, request: HttpRequest, queryset: QuerySet[KnownAnswer]) -> None:
        """What was answered stays counted."""
        ids = list(queryset.values_list("id", flat=True))
        retired = sum(retire_known(known_id=known_id, by=request.user) for known_id in ids)  # type: ignore[arg-type]
        text = ngettext(
            "%(count)d known answer is retired.", "%(count)d known answers are retired.", retired
        )
        messages.success(request, text % {"count": retired})

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_safe(self.reviewers_view))
        own = path("reviewers/", view, name="reviewqueue_knownanswer_reviewers")
        return [own, *super().get_urls()]

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Mark an item; the address may fill the form in. The stream is asked for first."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        stream = _find_stream(request)
        if stream is None:
            return self._ask_stream(request)
        form = KnownForm(
            request.POST if request.method == "POST" else None,
            user=request.user,
            stream=stream,
            initial=_read_initial(request, stream),
        )
        if request.method == "POST" and form.is_valid() and form.known is not None:
            self.log_addition(request, form.known, _("Marked."))
            messages.success(
                request, _("Slipped in from now on: %(item)s") % {"item": form.known.item}
            )
            return HttpResponseRedirect(reverse("admin:reviewqueue_knownanswer_changelist"))
        return self._show_form(request, form, stream)

    def _ask_stream(self, request: HttpRequest) -> HttpResponse:
        asked = request.method == "POST" or "stream" in request.GET
        data = (request.POST or request.GET) if asked else None
        form = StreamForm(data, user=request.user)
        form.is_valid()
        return self._show_form(request, form, None)

    def _show_form(
        self, request: HttpRequest, form: forms.Form, stream: Stream | None
    ) -> HttpResponse:
        own = {"form": form, "stream": stream, "has_many": _has_many_streams(request)}
        context = self._page(request, _("Mark an item as known")) | own
        template = "admin/reviewqueue/knownanswer/add.html"
        return TemplateResponse(request, template, context, status=INVALID if form.errors else 200)

    def reviewers_view(self, request: HttpRequest) -> HttpResponse:
        """How often each reviewer was right on known items, of the streams one administers."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = measure_reviewers(streams_administered_by(request.user))
        context = self._page(request, _("Reviewers on known items")) | {"rows": rows}
        template = "admin/reviewqueue/knownanswer/reviewers.html"
        return TemplateResponse(request, template, context)

    def _page(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title}


def _find_stream(request: HttpRequest) -> Stream | None:
    """The stream that the form or the address names; the only one that somebody administers."""
    mine = streams_administered_by(request.user)
    asked = request.POST.get("stream") or request.GET.get("stream")
    if asked is not None:
        return mine.filter(id__in=_as_ids(asked)).first()
    first = list(mine[:2])
    return first[0] if len(first) == 1 else None


def _has_many_streams(request: HttpRequest) -> bool:
    return len(streams_administered_by(request.user)[:2]) > 1


def _read_initial(request: HttpRequest, stream: Stream) -> dict[str, Any]:
    """What the address says of the item and its answer; categories by key."""
    asked = request.GET
    keys = [key for key in asked.get("categories", "").split(",") if key]
    initial: dict[str, Any] = {
        name: asked[name] for name in ("external_id", "kind") if name in asked
    }
    initial["categories"] = list(stream.categories.filter(key__in=keys))
    return initial


def _as_ids(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []
