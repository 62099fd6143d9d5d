package com.tt.backend.web;

import com.tt.backend.Health;
import com.tt.backend.Settings;
import com.tt.backend.metrics.Exposition;
import com.tt.backend.metrics.MetricSource;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The part of Spring Boot's Actuator that a deploy and Prometheus look at. */
public final class ActuatorServlet extends HttpServlet {

    private static final long serialVersionUID = 1L;

    private final transient Settings settings;
    private final transient Health health;
    private final transient List<MetricSource> metrics;

    public ActuatorServlet(Settings settings, Health health, List<MetricSource> metrics) {
        this.settings = settings;
        this.health = health;
        this.metrics = metrics;
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        switch (String.valueOf(request.getPathInfo())) {
            case "/health" -> health(response, health.overall());
            case "/health/readiness" -> health(response, health.readiness());
            case "/health/liveness" -> health(response, health.liveness());
            case "/info" -> info(response);
            case "/prometheus" -> prometheus(response);
            default -> Responses.json(response, 404, Map.of("status", 404, "error", "Not Found"));
        }
    }

    private static void health(HttpServletResponse response, Health.Status health) throws IOException {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("status", health.status());
        body.put("components", health.components());
        Responses.json(response, health.isUp() ? 200 : 503, body);
    }

    private void info(HttpServletResponse response) throws IOException {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("version", settings.version());
        body.put("commit", settings.commit());
        body.put("built", settings.built());
        Responses.json(response, 200, body);
    }

    private void prometheus(HttpServletResponse response) throws IOException {
        Exposition exposition = new Exposition();
        metrics.forEach(source -> source.writeTo(exposition));
        Responses.send(response, 200, Exposition.CONTENT_TYPE, exposition.toString());
    }
}
