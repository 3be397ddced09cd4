"""Exported items as Label Studio's tasks, and the labelling configuration that shows them.

Label Studio keeps `data` and `meta` as they are. Choices are named by key; the configuration shows
the labels.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from reviewqueue.files.label_studio import META

CONTROL: Final = "category"
SHOWN: Final = "text"
_KEPT_APART: Final = ("external_id", "payload", "truth")


def write_task(item: Mapping[str, Any]) -> bytes:
    """The task of an exported item: the machine's answer as prediction, the label as annotation."""
    task: dict[str, object] = {
        "data": {
            "external_id": item["external_id"],
            SHOWN: _readable(item["payload"]),
            "payload": item["payload"],
        },
        "meta": {META: {name: item[name] for name in item if name not in _KEPT_APART}},
    }
    decision = item["decision"]
    if decision:
        task["predictions"] = [
            {
                "model_version": item["model_version"],
                "score": decision["confidence"],
                "result": [
                    _region([decision["predicted"]]) | {"score": decision["raw_confidence"]}
                ],
            }
        ]
    truth = item["truth"]
    if truth:
        categories = truth if isinstance(truth, list) else [truth]
        task["annotations"] = [{"ground_truth": True, "result": [_region(categories)]}]
    return json.dumps(task, ensure_ascii=False).encode()


def _region(categories: list[str]) -> dict[str, object]:
    return {
        "id": "category",
        "from_name": CONTROL,
        "to_name": SHOWN,
        "type": "choices",
        "value": {"choices": categories},
    }


def _readable(payload: Mapping[str, object]) -> str:
    """What an annotator reads: the payload's texts with a blank line between, else its JSON."""
    texts = [value for value in payload.values() if isinstance(value, str) and value]
    return "\n\n".join(texts) or json.dumps(payload, ensure_ascii=False)


def labelling_config(categories: Iterable[tuple[str, str]]) -> str:
    """The XML that a project needs for the tasks: key and label of each category, in order.

    Several choices are allowed, since of an ambiguous item each of several would do.
    """
    choices = "".join(
        f"    <Choice value={quoteattr(label)} alias={quoteattr(key)}/>\n"
        for key, label in categories
    )
    return (
        f'<View>\n  <Text name="{SHOWN}" value="${SHOWN}"/>\n'
        f'  <Choices name="{CONTROL}" toName="{SHOWN}" choice="multiple" required="true">\n'
        f"{choices}  </Choices>\n</View>\n"
    )
