package com.tt.backend.web;

import com.tt.backend.Behaviour;
import com.tt.backend.Lifecycle;
import com.tt.backend.metrics.HttpMetrics;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Map;
import java.util.Set;

/** Around every request: times it, sends clients away when leaving, fails it if the release is bad. */
public final class RequestFilter extends HttpFilter {

    private static final long serialVersionUID = 1L;
    private static final Set<String> KNOWN = Set.of(
            "/api/tickets", "/api/slow", "/api/stream", "/api/live", "/actuator/health",
            "/actuator/health/readiness", "/actuator/health/liveness", "/actuator/info", "/actuator/prometheus");

    private final transient Lifecycle lifecycle;
    private final transient HttpMetrics metrics;
    private final transient Behaviour behaviour;

    public RequestFilter(Lifecycle lifecycle, HttpMetrics metrics, Behaviour behaviour) {
        this.lifecycle = lifecycle;
        this.metrics = metrics;
        this.behaviour = behaviour;
    }

    @Override
    protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        long begun = System.nanoTime();
        if (lifecycle.isLeaving()) {
            response.setHeader("Connection", "close");
        }
        boolean ofAClient = request.getRequestURI().startsWith("/api/");
        if (ofAClient) {
            behaviour.noteRequest();
        }
        try {
            if (ofAClient && behaviour.failsNow()) {
                Responses.json(response, 500, Map.of("status", 500, "error", "Internal Server Error"));
            } else {
                chain.doFilter(request, response);
            }
        } finally {
            String uri = KNOWN.contains(request.getRequestURI()) ? request.getRequestURI() : "UNKNOWN";
            double seconds = (System.nanoTime() - begun) / 1e9;
            metrics.record(request.getMethod(), uri, response.getStatus(), seconds);
        }
    }
}
