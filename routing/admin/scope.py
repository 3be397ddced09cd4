"""Whose streams a member of staff administers: nobody sees or moves another's rows.

Memberships live on a floor above, which says here how to find them (`administer_streams_by`);
until it does, only superusers administer anything.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField, ModelForm
from django.forms.models import BaseModelFormSet
from django.http import HttpRequest

from routing.events import record_event
from routing.models import Stream

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    Someone = User | AnonymousUser
    ModelAdmin = admin.ModelAdmin[Any]
    BaseModelAdmin = admin.options.BaseModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin
    BaseModelAdmin = object


def _only_superusers(user: "Someone") -> QuerySet[Stream]:
    return Stream.objects.all() if user.is_superuser else Stream.objects.none()


_finders: list[Callable[["Someone"], QuerySet[Stream]]] = [_only_superusers]


def administer_streams_by(find: Callable[["Someone"], QuerySet[Stream]]) -> None:
    """Let `find` say from now on which streams a user administers."""
    _finders[:] = [find]


def streams_administered_by(user: "Someone") -> QuerySet[Stream]:
    """The streams whose rows the user may see and change in the admin."""
    return _finders[0](user)


class InStream(BaseModelAdmin):
    """Rows of the streams that the member of staff administers, and choices among those."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request)
        if request.user.is_superuser:
            return found
        return found.filter(stream__in=streams_administered_by(request.user))

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> "ModelChoiceField[Any] | None":
        if db_field.related_model is Stream:
            kwargs["queryset"] = streams_administered_by(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def record_change(*, request: HttpRequest, form: "ModelForm[Any]", created: bool) -> None:
    """Note who changed which fields of a stream's row, or of a stream, from what to what.

    A form's fields in `recorded_apart` are left to whoever records them with more to say.
    """
    changes = {
        name: [_show(None if created else form.initial.get(name)), _show(form.cleaned_data[name])]
        for name in form.changed_data
        if name in form.cleaned_data and name not in getattr(form, "recorded_apart", ())
    }
    if changes:
        done = "created" if created else "changed"
        _record(request, form.instance, done, changes=changes)


def record_removal(request: HttpRequest, row: Model) -> None:
    """Note who removed a row; to be called while it still has its key."""
    _record(request, row, "deleted", was=str(row))


def save_and_record(request: HttpRequest, formset: "BaseModelFormSet[Any, Any]") -> None:
    """Save the rows of an inline and note each that was added, changed or removed."""
    removed = {id(form) for form in formset.deleted_forms}
    added: list[ModelForm[Any]] = []
    changed: list[ModelForm[Any]] = []
    for form in formset.forms:
        is_new = form.instance._state.adding
        if id(form) in removed and not is_new:
            record_removal(request, form.instance)
        elif id(form) not in removed and form.has_changed():
            (added if is_new else changed).append(form)
    formset.save()
    for form in added:
        record_change(request=request, form=form, created=True)
    for form in changed:
        record_change(request=request, form=form, created=False)


def _record(request: HttpRequest, row: Model, done: str, **data: object) -> None:
    stream_id = row.pk if isinstance(row, Stream) else row.stream_id  # type: ignore[attr-defined]
    record_event(
        stream_id=stream_id,
        kind=f"{row._meta.model_name}.{done}",
        subject_id=row.pk,
        actor_id=request.user.pk,
        happened_at=None,
        **data,
    )


def _show(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return str(value.pk if isinstance(value, Model) else value)
