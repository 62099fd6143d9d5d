"""Grafana's provisioning files, by the keys that Grafana 12 documents and reads.

Its own programs cannot be had here, and it passes over a key that it does not know: a misspelt one
would only be missed when somebody looks for the dashboards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.stack.files import MONITORING, read_yaml, services

PROVISIONING = MONITORING / "grafana" / "provisioning"
FILES = {
    "datasources": {
        "apiVersion": int,
        "datasources": list,
        "deleteDatasources": list,
        "prune": bool,
    },
    "dashboards": {"apiVersion": int, "providers": list},
}
DATA_SOURCE = {
    "name": str,
    "uid": str,
    "orgId": int,
    "type": str,
    "access": str,
    "url": str,
    "user": str,
    "database": str,
    "basicAuth": bool,
    "basicAuthUser": str,
    "withCredentials": bool,
    "isDefault": bool,
    "editable": bool,
    "version": int,
    "jsonData": dict,
    "secureJsonData": dict,
    "correlations": list,
}
OF_PROMETHEUS = {
    "httpMethod": str,
    "timeInterval": str,
    "queryTimeout": str,
    "manageAlerts": bool,
    "allowAsRecordingRulesTarget": bool,
    "disableMetricsLookup": bool,
    "customQueryParameters": str,
    "prometheusType": str,
    "prometheusVersion": str,
    "cacheLevel": str,
    "incrementalQuerying": bool,
    "incrementalQueryOverlapWindow": str,
    "exemplarTraceIdDestinations": list,
}
PROVIDER = {
    "name": str,
    "orgId": int,
    "folder": str,
    "folderUid": str,
    "type": str,
    "disableDeletion": bool,
    "updateIntervalSeconds": int,
    "allowUiUpdates": bool,
    "options": dict,
}
OF_A_FILE_PROVIDER = {"path": str, "foldersFromFilesStructure": bool}

Keys = dict[str, type]


def not_understood(said: dict[str, Any], known: Keys) -> list[str]:
    """What Grafana would pass over or refuse: unknown keys and values of another type."""
    return [key for key, value in said.items() if type(value) is not known.get(key)]


def of(kind: str) -> list[dict[str, Any]]:
    """The entries of all files of a kind."""
    key = {"datasources": "datasources", "dashboards": "providers"}[kind]
    return [each for file in files(kind) for each in read_yaml(file)[key]]


def files(kind: str) -> list[Path]:
    return sorted((PROVISIONING / kind).iterdir())


def test_grafana_looks_into_no_other_folder_than_these() -> None:
    assert {folder.name for folder in PROVISIONING.iterdir()} == set(FILES)


@pytest.mark.parametrize("kind", FILES)
def test_each_file_is_one_that_grafana_reads(kind: str) -> None:
    assert files(kind)
    for file in files(kind):
        assert file.suffix in {".yml", ".yaml"}
        assert not_understood(read_yaml(file), FILES[kind]) == []
        assert read_yaml(file)["apiVersion"] == 1


def test_the_data_source_is_prometheus_as_the_containers_reach_it() -> None:
    (source,) = of("datasources")
    assert not_understood(source, DATA_SOURCE) == []
    assert not_understood(source["jsonData"], OF_PROMETHEUS) == []
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"] is True
    assert source["jsonData"]["httpMethod"] in {"GET", "POST"}
    prometheus = read_yaml(MONITORING / "prometheus" / "prometheus.yml")
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]


def test_the_dashboards_are_read_from_where_compose_mounts_them() -> None:
    (provider,) = of("dashboards")
    assert not_understood(provider, PROVIDER) == []
    assert not_understood(provider["options"], OF_A_FILE_PROVIDER) == []
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    mounted = f"../monitoring/grafana/dashboards:{provider['options']['path']}:ro"
    assert mounted in services()["grafana"]["volumes"]


@pytest.mark.parametrize("wrong", [{"allowUIUpdates": False}, {"orgId": "1"}, {"path": "/x"}])
def test_a_misspelt_key_or_a_value_of_another_type_would_be_found(wrong: dict[str, Any]) -> None:
    assert not_understood(wrong, PROVIDER) == list(wrong)
