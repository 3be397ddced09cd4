"""What others said on stored items, read for another policy."""

from dataclasses import replace

from reviewqueue.intake import take_in
from reviewqueue.models import RemoteAsk
from reviewqueue.second_opinions import settle_ask
from routing.core.fallback import Fallback
from routing.core.rules import RemoteAnswer
from routing.items import Post
from routing.models import Policy, RemoteModel, Stream
from routing.opinions import read_opinions
from routing.policies import publish_policy, published_spec


def test_remote_answer_is_read_for_the_model_that_gave_it_alone(stream: Stream) -> None:
    small = RemoteModel.objects.create(
        stream=stream, name="small", url="https://models.example/small"
    )
    draft = Policy.objects.create(stream=stream, fallback_steps=["remote"], remote_model=small)
    policy = publish_policy(policy_id=draft.id, reason="for the test", published_by_id=None)
    take_in(stream=stream, posts=[Post("HD-1", {"body": "no VPN"}, {"vpn_issue": 0.3})])
    asked = RemoteAsk.objects.get()
    answer = RemoteAnswer(scores={"vpn_issue": 0.9})
    settle_ask(ask_id=asked.id, token=asked.token, answer=answer)
    spec = published_spec(policy.id)
    other = replace(spec, fallback=Fallback(steps=("remote",), remote_model="large"))
    assert read_opinions(spec, [asked.item_id]).remote == [answer]
    assert read_opinions(other, [asked.item_id]).remote == [None]
