"""Streams with the people on them, and how their payloads are shown."""

from typing import ClassVar

from django import forms
from django.contrib import admin
from django.utils.translation import gettext as _

from reviewqueue.admin.people import RolesOnStreamInline
from reviewqueue.payloads import KINDS
from routing.admin import StreamAdmin
from routing.admin.streams import CategoryInline, FixedKeyForm
from routing.models import Stream


class ShownStreamForm(FixedKeyForm):
    def clean_payload_fields(self) -> dict[str, str]:
        """Each payload field's name to one of the ways to show it."""
        value = self.cleaned_data["payload_fields"]
        if not isinstance(value, dict):
            raise forms.ValidationError(
                _('Write an object from field to kind, such as {"body": "text"}.')
            )
        for name, kind in value.items():
            if kind not in KINDS:
                raise forms.ValidationError(
                    _("%(name)s: %(kind)s is no way to show a field; use one of %(kinds)s.")
                    % {"name": name, "kind": kind, "kinds": ", ".join(KINDS)}
                )
        return value


admin.site.unregister(Stream)


@admin.register(Stream)
class StreamWithPeopleAdmin(StreamAdmin):
    form = ShownStreamForm
    inlines: ClassVar = [CategoryInline, RolesOnStreamInline]
