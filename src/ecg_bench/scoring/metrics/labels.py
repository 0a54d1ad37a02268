"""An answer as a set of labels: how exact match and set F1 read text.

Normalisation: split at ";", lower case, white space folded, a closing full stop dropped. The order of the
labels does not count, since databases list them in different orders.
"""


def labels(answer: str) -> frozenset[str]:
    """ "Left axis deviation; LBBB." -> {"left axis deviation", "lbbb"}."""
    parts = (" ".join(part.lower().split()).rstrip(".").rstrip() for part in answer.split(";"))
    return frozenset(part for part in parts if part)
