"""The text that Prometheus reads: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.middleware.observability.metrics import READ_SECONDS, Family, Histogram, Sample, exposition


def test_a_family_is_its_help_its_type_and_its_samples() -> None:
    counter = Family("a_total", "counter", "What a is.", [Sample(3, {"x": "1", "y": ""}), Sample(0.25)])
    gauge = Family("b", "gauge", "What b is.", [])
    assert exposition([counter, gauge]).splitlines() == [
        "# HELP a_total What a is.",
        "# TYPE a_total counter",
        'a_total{x="1",y=""} 3',
        "a_total 0.25",
        "# HELP b What b is.",
        "# TYPE b gauge",
    ]


def test_the_text_ends_its_last_line() -> None:
    assert exposition([Family("a", "gauge", "A.", [Sample(1)])]).endswith("a 1\n")


@pytest.mark.parametrize(
    ("value", "written"),
    [("plain", "plain"), ('a"b', 'a\\"b'), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb"), ('\\"', '\\\\\\"')],
)
def test_no_label_can_end_its_line_or_its_quotes(value: str, written: str) -> None:
    text = exposition([Family("a", "gauge", "A.", [Sample(1, {"x": value})])])
    assert text.splitlines()[2:] == [f'a{{x="{written}"}} 1']


def test_a_histogram_counts_what_lies_at_or_below_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.0, 0.1, 0.5, 1.0, 7.0):
        histogram.add(seconds)
    assert exposition([Family("s", "histogram", "S.", histogram.samples())]).splitlines()[2:] == [
        's_bucket{le="0.1"} 2',
        's_bucket{le="1"} 4',
        's_bucket{le="+Inf"} 5',
        "s_sum 8.6",
        "s_count 5",
    ]


@given(st.lists(st.floats(min_value=0, max_value=10)))
def test_every_value_is_in_a_bucket_and_buckets_only_grow(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    *buckets, _, count = histogram.samples()
    assert [bucket.value for bucket in buckets] == [
        *(sum(value <= bound for value in values) for bound in READ_SECONDS),
        len(values),
    ]
    assert count.value == len(values)
