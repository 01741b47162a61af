from __future__ import annotations

import re

import pytest

from aster.errors import InitError
from aster.problems.wrapping.names import Where, kebab, metric_slug, printed_as


@pytest.mark.parametrize(
    ("given", "name"), [("My_Problem", "my-problem"), ("nanoGPT 2", "nano-gpt-2"), ("--a..b--", "a-b"), ("13", "13")]
)
def test_names_become_kebab_case(given: str, name: str) -> None:
    assert kebab(given) == name


def test_a_name_without_letters_and_digits_is_refused() -> None:
    with pytest.raises(InitError, match="letters and digits"):
        kebab("__")


def test_metrics_keep_what_problem_toml_allows() -> None:
    assert metric_slug("val/loss@10") == "val/loss@10"
    assert metric_slug("val loss (mean)") == "val_loss_mean"
    for broken in ("", "1st", "invalid"):
        with pytest.raises(InitError, match="cannot be the name of a metric"):
            metric_slug(broken)


@pytest.mark.parametrize(
    ("line", "first", "inline", "loose"),
    [
        ("val_loss: 0.25", "0.25", "0.25", "0.25"),
        ("  val_loss = -1.5e-3", "-1.5e-3", "-1.5e-3", "-1.5e-3"),
        ("epoch 3 | val_loss=0.5, lr 0.1", None, "0.5", "0.5"),
        ("{'val_loss': nan}", None, None, "nan"),
        ("val_loss .5", None, None, ".5"),
        ("val_loss went up", None, None, None),
        ("val_loss2: 1", None, None, None),
        ("best_val_loss: 1", None, None, None),
        ("train.val_loss: 1", None, None, None),
    ],
)
def test_a_metric_is_found_where_it_is_printed(
    line: str, first: str | None, inline: str | None, loose: str | None
) -> None:
    wanted: dict[Where, str | None] = {"first": first, "inline": inline, "loose": loose}
    for where, found in wanted.items():
        match = re.search(printed_as("val_loss", where), line)
        assert (match and match[1]) == found, where
