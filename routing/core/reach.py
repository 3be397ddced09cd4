"""Which top probabilities can pass a gate at all, so that idle cut-offs can be pointed out.

Both are the least p1 of any vector over K categories that sums to 1:

    entropy gate   among vectors with largest probability p, entropy is least where as much as
                   possible stands in copies of p (every other such vector is majorised by that
                   one, Marshall & Olkin 1979), and this least entropy falls as p grows
    margin gate    p1 - p2 >= M with the rest as high as p2: p1 + (K - 1)(p1 - M) = 1
"""

import math


def least_entropy(*, categories: int, confidence: float) -> float:
    """The least normalised entropy a vector with top probability `confidence` >= 1/K can have."""
    if categories == 1:
        return 0.0
    copies = min(int(1.0 / confidence), categories)
    rest = max(1.0 - copies * confidence, 0.0)
    nats = -copies * confidence * math.log(confidence)
    if rest > 0.0:
        nats -= rest * math.log(rest)
    return max(nats, 0.0) / math.log(categories)


def least_confidence_by_entropy(*, categories: int, max_entropy: float) -> float:
    """The least top probability that passes H <= `max_entropy`, to 1e-12 by bisection."""
    low, high = 1.0 / categories, 1.0
    if least_entropy(categories=categories, confidence=low) <= max_entropy:
        return low
    while high - low > 1e-12:
        middle = (low + high) / 2.0
        if least_entropy(categories=categories, confidence=middle) <= max_entropy:
            high = middle
        else:
            low = middle
    return high


def least_confidence_by_margin(*, categories: int, min_margin: float) -> float:
    """The least top probability that passes margin >= `min_margin`."""
    return (1.0 + (categories - 1) * min_margin) / categories
