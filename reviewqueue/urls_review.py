"""Addresses of the reviewer's screens."""

from django.urls import path

from reviewqueue.views import alike, batch, home, items, mine, overturn, review, undoing, watch
from reviewqueue.views.insight import (
    budgets,
    cells,
    pages,
    reliability,
    runs,
    shipping,
    what_if,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("streams/<slug:stream_key>/mine/", mine.mine, name="mine"),
    path("streams/<slug:stream_key>/watch/", watch.watch, name="watch"),
    path("streams/<slug:stream_key>/watch/<uuid:decision_id>/", watch.watched_item, name="watched"),
    path("items/", items.find_item, name="find-item"),
    path("streams/<slug:stream_key>/items/<uuid:item_id>/", items.item, name="item"),
    path("streams/<slug:stream_key>/flagged/batch/", batch.batch, name="batch"),
    path("streams/<slug:stream_key>/flagged/batch/confirm", batch.confirm, name="batch-confirm"),
    path("streams/<slug:stream_key>/flagged/batch/renew", batch.heartbeat, name="batch-renew"),
    path("streams/<slug:stream_key>/flagged/batch/release", batch.release, name="batch-release"),
    path(
        "streams/<slug:stream_key>/flagged/batch/<uuid:batch_id>/undo",
        batch.undo,
        name="batch-undo",
    ),
    path("insight/budgets/", budgets.budgets, name="insight-budgets"),
    path("streams/<slug:stream_key>/insight/", pages.insight, name="insight"),
    path(
        "streams/<slug:stream_key>/insight/reliability/",
        reliability.reliability,
        name="insight-reliability",
    ),
    path(
        "streams/<slug:stream_key>/insight/reliability/table.csv",
        reliability.table,
        name="insight-reliability-table",
    ),
    path(
        "streams/<slug:stream_key>/insight/reliability/items/",
        cells.items,
        name="insight-reliability-items",
    ),
    path("streams/<slug:stream_key>/insight/what-if/", what_if.what_if, name="insight-what-if"),
    path(
        "streams/<slug:stream_key>/insight/what-if/draft",
        what_if.save_draft,
        name="insight-what-if-draft",
    ),
    path(
        "streams/<slug:stream_key>/insight/what-if/curve.csv",
        what_if.curve,
        name="insight-what-if-curve",
    ),
    path("streams/<slug:stream_key>/insight/budget/", shipping.budget, name="insight-budget"),
    path(
        "streams/<slug:stream_key>/insight/budget/cut-offs.csv",
        shipping.prices,
        name="insight-budget-prices",
    ),
    path("streams/<slug:stream_key>/insight/runs/", runs.runs, name="insight-runs"),
    path(
        "streams/<slug:stream_key>/insight/<slug:kind>/<slug:name>.svg",
        pages.picture,
        name="insight-picture",
    ),
    path("streams/<slug:stream_key>/<slug:queue>/", review.review, name="review"),
    path("tasks/<uuid:task_id>/verdict", review.post_verdict, name="verdict"),
    path("tasks/<uuid:task_id>/skip", review.skip, name="skip"),
    path("tasks/<uuid:task_id>/escalate", review.escalate, name="escalate"),
    path("tasks/<uuid:task_id>/take-back", undoing.undo_escalation, name="undo-escalation"),
    path("tasks/<uuid:task_id>/alike", alike.alike, name="alike"),
    path("tasks/<uuid:task_id>/release", review.release, name="release"),
    path("tasks/<uuid:task_id>/heartbeat", review.heartbeat, name="heartbeat"),
    path("tasks/<uuid:task_id>/ahead", review.ahead, name="ahead"),
    path("tasks/<uuid:task_id>/unused", review.unused, name="unused"),
    path("verdicts/<uuid:verdict_id>/", mine.verdict, name="my-verdict"),
    path("verdicts/<uuid:verdict_id>/overturn/", overturn.overturn, name="overturn"),
    path("verdicts/<uuid:verdict_id>/undo", undoing.undo, name="undo"),
]
