"""What the metrics, constraints and patterns of a problem demand of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aster.problems.model import Constraint, Metric
from aster.problems.troubles import nearest


def check_patterns(metrics: Sequence[Metric | None] | None) -> Iterator[tuple[str, str]]:
    """Yield (key, trouble) of metrics that are read from output and cannot be."""
    for index, metric in enumerate(metrics or ()):
        if metric is not None and metric.pattern is not None and metric.exact:
            yield (
                f"metric[{index}].exact",
                f'"{metric.name}" is read from the output, which cannot be scored again; remove `exact` or the pattern',
            )


def check_constraints(
    constraints: Sequence[Constraint | None] | None, metrics: Sequence[Metric] | None
) -> Iterator[tuple[str, str]]:
    """Yield (key, trouble) of constraints; nothing where a metric is broken (`metrics` is None)."""
    known = {metric.name: metric for metric in metrics or ()}
    for index, constraint in enumerate(constraints if metrics and constraints else ()):
        if constraint is None:
            continue
        key, metric = f"constraint[{index}].metric", known.get(constraint.metric)
        if metric is None:
            near = nearest(constraint.metric, known) or "; add a [[metric]] of that name"
            yield key, f'"{constraint.metric}" is not a declared metric{near}'
        elif constraint.p is not None and metrics and metrics[0].exact:
            yield (
                f"constraint[{index}].p",
                "claims on an exact objective score one output of each side again, which tells no mean; remove `p`, or "
                "`exact`",
            )
        elif metric.pattern is not None and metrics and metrics[0].exact:
            yield (
                key,
                f'"{metric.name}" is read from the output, but claims on an exact objective only score outputs again; '
                "have the trusted stage report it",
            )
