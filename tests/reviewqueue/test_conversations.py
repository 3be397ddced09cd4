"""Conversations in the shapes in which they are posted."""

import pytest

from reviewqueue.conversations import TURNS_DRAWN, Turn, list_entries, read_turns
from reviewqueue.prose import Prose
from reviewqueue.trees import Json

PIXEL = "data:image/png;base64,iVBORw0KGgo="
HI = (Turn("User", Prose(("Hi",))),)


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "content": "Hi"}],
        [{"speaker": "user", "text": "Hi"}],
        [{"from": "user", "value": "Hi"}],
        [{"author": "user", "body": "Hi\n"}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        [{"role": "user", "content": ["Hi"]}],
        {"messages": [{"role": "user", "content": "Hi"}], "id": 4},
        {"conversations": [{"from": "user", "value": "Hi"}]},
    ],
)
def test_common_shapes_read_alike(value: Json) -> None:
    assert read_turns(value) == (HI, 1)


@pytest.mark.parametrize(
    "value",
    [
        [],
        ["Hi"],
        [{"role": "user"}],
        [{"role": 4, "content": "Hi"}],
        [{"role": "user", "content": "Hi"}, {"name": "x"}],
        {"messages": "Hi"},
        {"role": "user", "content": "Hi"},
        "Hi",
        None,
    ],
)
def test_anything_else_is_no_conversation(value: Json) -> None:
    assert list_entries(value) == []


def test_parts_are_words_pictures_and_notes() -> None:
    parts: Json = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "image", "source": {"media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image_url", "image_url": "https://images.example.org/a.png"},
        {"type": "image_url", "image_url": {"url": "https://foreign.example/b.png"}},
        {"type": "audio", "id": 7},
    ]
    turns, _count = read_turns(
        [{"role": "user", "content": parts, "timestamp": "08:57"}],
        image_hosts=["images.example.org"],
    )
    assert turns == (
        Turn(
            "User",
            Prose(("Look:",)),
            pictures=(PIXEL, PIXEL, "https://images.example.org/a.png"),
            notes=("https://foreign.example/b.png", '{"type": "audio", "id": 7}'),
            at="08:57",
        ),
    )


def test_call_of_a_tool_is_written_out() -> None:
    call: Json = {"function": {"name": "find", "arguments": '{"id": 4}'}}
    turns, _count = read_turns([{"role": "assistant", "content": None, "tool_calls": [call, 5]}])
    assert turns == (Turn("Assistant", Prose(()), notes=('find({"id": 4})', "5")),)


def test_endless_conversation_is_bounded() -> None:
    turns, count = read_turns([{"role": "user", "content": "Hi"}] * 10_000)
    assert (turns, count) == (HI * TURNS_DRAWN, 10_000)
