"""Connect a scikit-learn classifier: every probability it gives becomes an item to be routed.

    export REVIEWQUEUE_URL=http://127.0.0.1:8000 REVIEWQUEUE_KEY=rq_...
    PYTHONPATH=clients/python python examples/digits.py

Needs scikit-learn, and a stream `digits` with the categories 0 to 9, as the demo has one.
"""

import os
import sys
from collections import Counter

from reviewqueue_client import ACTS, ReviewQueue
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

queue = ReviewQueue(os.environ["REVIEWQUEUE_URL"], os.environ["REVIEWQUEUE_KEY"], "digits")
data = load_digits()
model = GaussianNB().fit(data.data[:1500], data.target[:1500].astype(str))
fresh = data.data[1500:]
items = (
    {
        "external_id": f"example-{number}",
        "payload": {"pixels": image.reshape(8, 8).astype(int).tolist()},
        "scores": dict(zip(model.classes_, row.tolist(), strict=True)),
        "model_version": "naive-bayes-1",
    }
    for number, (image, row) in enumerate(zip(fresh, model.predict_proba(fresh), strict=True))
)
actions: Counter[str] = Counter()
for line in queue.post_batch(items):
    if "problem" in line:
        sys.exit(f"item {line['index']}: {line['problem']['detail']}")
    decision = line["decision"]
    actions[decision["action"]] += 1
    if decision["action"] in ACTS:
        category = decision["category"]  # here your system acts on it
print(*(f"{action} {count}" for action, count in sorted(actions.items())))
