"""The only place that assigns roles. No model.

Rules
-----
``official``
    The publisher's folds: one is the test part.
``grouped``
    Stratified by label (of several, the rarest) and grouped by recording (scikit-learn's StratifiedGroupKFold).
``random``
    Clip by clip. It exists to show what it hides: see `earmark.leakage`.
"""

from earmark.split.roles import ROLES, TEST, TRAIN, UNUSED, VALIDATION, Split
from earmark.split.rows import Rows, rarest
from earmark.split.rules import FOLDS, cross_validation, holdout, inner_folds, random_split, resolve_rule
from earmark.split.settings import Rule, SplitSettings

__all__ = [
    "FOLDS",
    "ROLES",
    "TEST",
    "TRAIN",
    "UNUSED",
    "VALIDATION",
    "Rows",
    "Rule",
    "Split",
    "SplitSettings",
    "cross_validation",
    "holdout",
    "inner_folds",
    "random_split",
    "rarest",
    "resolve_rule",
]
