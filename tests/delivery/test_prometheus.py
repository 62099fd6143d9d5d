"""Answers of Prometheus' HTTP API, as 3.5 gave them."""

import json
import math

import pytest

from delivery.errors import HostAnswerMalformed
from delivery.prometheus import numbers_by, read_targets, read_vector

VECTOR = (
    '{"status":"success","data":{"resultType":"vector","result":['
    '{"metric":{"job":"app"},"value":[1764109500.123,"1.5"]},'
    '{"metric":{"job":"odd"},"value":[1764109500.123,"NaN"]},'
    '{"metric":{},"value":[1764109500.123,"3"]}]}}'
)
TARGETS = (
    '{"status":"success","data":{"activeTargets":[{"labels":{"instance":"redis-node-1:7000",'
    '"job":"redis"},"scrapePool":"redis","scrapeUrl":"http://redis-exporter:9121/scrape?target=x",'
    '"globalUrl":"http://redis-exporter:9121/scrape","lastError":"","lastScrape":'
    '"2026-11-25T22:30:00.123456789Z","lastScrapeDuration":0.01,"health":"up",'
    '"scrapeInterval":"10s","scrapeTimeout":"5s"}],"droppedTargets":[],"droppedTargetCounts":{}}}'
)
POOLS = '{"status":"success","data":{"scrapePools":["redis","tt-backend"]}}'


def test_a_vector_is_read_with_its_labels_and_numbers() -> None:
    series = read_vector(VECTOR)
    assert [each.metric.get("job") for each in series] == ["app", "odd", None]
    assert series[0].number == 1.5
    assert math.isnan(series[1].number)


def test_what_is_no_number_and_what_lacks_the_label_is_left_out() -> None:
    assert numbers_by("job", read_vector(VECTOR)) == {"app": 1.5}


def test_targets_are_named_by_job_and_instance_and_jobs_without_any_are_told() -> None:
    targets = read_targets(TARGETS, POOLS)
    (target,) = targets.active
    assert (target.name, target.health) == ("redis redis-node-1:7000", "up")
    assert target.lastScrape.isoformat() == "2026-11-25T22:30:00.123456+00:00"
    assert targets.empty_pools == ["tt-backend"]


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[" * 3000,
        "null",
        "<html>502</html>",
        '{"status":"error","errorType":"bad_data","error":"parse error"}',
        '{"status":"success","data":{"result":"4"}}',
        json.dumps({"status": "success", "data": {"result": [{"metric": {}}]}}),
    ],
)
def test_anything_else_is_an_error_with_what_it_said(said: str) -> None:
    with pytest.raises(HostAnswerMalformed) as raised:
        read_vector(said)
    assert said[:20] in raised.value.message


@pytest.mark.parametrize(
    ("targets", "pools"),
    [
        ('{"status":"success","data":{"activeTargets":[{}]}}', POOLS),
        (TARGETS, '{"status":"success","data":{"scrapePools":[1]}}'),
    ],
)
def test_targets_that_do_not_read_are_an_error(targets: str, pools: str) -> None:
    with pytest.raises(HostAnswerMalformed):
        read_targets(targets, pools)
