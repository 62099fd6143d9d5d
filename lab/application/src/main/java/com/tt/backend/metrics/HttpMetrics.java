package com.tt.backend.metrics;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Requests by method, path, status and outcome, as Micrometer names them. */
public final class HttpMetrics implements MetricSource {

    private record Kind(String method, String uri, String status, String outcome) {
        String[] labels() {
            return new String[] {"error", "none", "exception", "none", "method", method,
                "outcome", outcome, "status", status, "uri", uri};
        }
    }

    private final Map<Kind, Timings> requests = new ConcurrentHashMap<>();

    /** The path must be a template: one label value for each address ever asked for would never end. */
    public void record(String method, String uri, int status, double seconds) {
        Kind kind = new Kind(method, uri, String.valueOf(status), outcome(status));
        requests.computeIfAbsent(kind, k -> new Timings()).record(seconds);
    }

    private static String outcome(int status) {
        return switch (status / 100) {
            case 1 -> "INFORMATIONAL";
            case 2 -> "SUCCESS";
            case 3 -> "REDIRECTION";
            case 4 -> "CLIENT_ERROR";
            default -> "SERVER_ERROR";
        };
    }

    @Override
    public void writeTo(Exposition exposition) {
        exposition.family("http_server_requests_seconds", "histogram", "Requests answered");
        requests.forEach((kind, timings) -> timings.writeHistogram(exposition, kind.labels()));
        exposition.family("http_server_requests_seconds_max", "gauge", "Longest since the last look");
        requests.forEach((kind, timings) ->
                exposition.sample(timings.longestAndReset(), kind.labels()));
    }
}
