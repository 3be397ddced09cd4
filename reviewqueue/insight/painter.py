"""Vega-Lite documents in, SVG out: a program of its own, which ends when it has drawn.

The engine that draws keeps 100 MB for as long as its process lives; here that is a second. It reads
one JSON object of documents by name from its input and writes one of drawings to its output.
"""

import json
import sys
from typing import Any

import vl_convert


def draw_all(documents: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The drawings of the documents, by name; nothing is loaded from anywhere."""
    return {
        name: vl_convert.vegalite_to_svg(document, vl_version="6.4", allowed_base_urls=[])
        for name, document in documents.items()
    }


if __name__ == "__main__":
    try:
        json.dump(draw_all(json.load(sys.stdin)), sys.stdout)
    except ValueError as error:
        sys.exit(str(error))
