"""Addresses of the reviewer's screens."""

from django.urls import path

from reviewqueue.views import home, mine, review, watch

urlpatterns = [
    path("", home.home, name="home"),
    path("streams/<slug:stream_key>/mine/", mine.mine, name="mine"),
    path("streams/<slug:stream_key>/watch/", watch.watch, name="watch"),
    path("streams/<slug:stream_key>/watch/<uuid:decision_id>/", watch.watched_item, name="watched"),
    path("streams/<slug:stream_key>/<slug:queue>/", review.review, name="review"),
    path("tasks/<uuid:task_id>/verdict", review.post_verdict, name="verdict"),
    path("tasks/<uuid:task_id>/skip", review.skip, name="skip"),
    path("tasks/<uuid:task_id>/escalate", review.escalate, name="escalate"),
    path("tasks/<uuid:task_id>/release", review.release, name="release"),
    path("tasks/<uuid:task_id>/heartbeat", review.heartbeat, name="heartbeat"),
    path("tasks/<uuid:task_id>/ahead", review.ahead, name="ahead"),
    path("tasks/<uuid:task_id>/unused", review.unused, name="unused"),
    path("verdicts/<uuid:verdict_id>/", mine.verdict, name="my-verdict"),
    path("verdicts/<uuid:verdict_id>/undo", review.undo, name="undo"),
]
