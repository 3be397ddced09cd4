"""Items in the admin: to be read, and what they hold to be erased."""

from typing import cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from reviewqueue.erasures import ErasureError, erase_items
from routing.admin import ItemAdmin
from routing.models import Item, Stream

admin.site.unregister(Item)


@admin.register(Item)
class ErasableItemAdmin(ItemAdmin):
    actions = ("erase",)

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("routing.erase_item")

    @admin.action(
        permissions=["erase"], description=gettext_lazy("Erase what the selected items hold")
    )
    def erase(self, request: HttpRequest, queryset: QuerySet[Item]) -> HttpResponse | None:
        """Ask first, since it cannot be taken back; then erase, a stream at a time."""
        chosen = queryset.filter(erased_at__isnull=True).select_related("stream")
        items = list(chosen.defer("payload", "blocks", "scores").order_by("id"))
        if not items:
            messages.warning(request, _("Nothing to erase: these were erased before."))
            return None
        if request.POST.get("confirmed") != "yes":
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "items": items,
                "title": _("Erase what these items hold?"),
            }
            return TemplateResponse(request, "admin/routing/item/erase.html", context)
        by_stream: dict[Stream, list[str]] = {}
        for item in items:
            by_stream.setdefault(item.stream, []).append(item.external_id)
        try:
            by = cast(User, request.user)
            erased = sum(
                erase_items(stream=stream, external_ids=ids, by=by).erased
                for stream, ids in by_stream.items()
            )
        except ErasureError as error:
            messages.error(request, str(error))
            return None
        text = ngettext("%(count)d item was erased.", "%(count)d items were erased.", erased)
        messages.success(request, text % {"count": erased})
        return None
