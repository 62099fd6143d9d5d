package com.tt.backend.web;

import com.tt.backend.Lifecycle;
import com.tt.backend.Settings;
import com.tt.backend.data.Tickets;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * GET and POST /api/tickets; GET /api/slow?ms=N answers after N milliseconds; GET /api/stream?seconds=N
 * sends a line a second until then, or until the process stops.
 */
public final class ApiServlet extends HttpServlet {

    private static final long serialVersionUID = 1L;
    private static final int LONGEST_MILLISECONDS = 60_000;

    private final transient Settings settings;
    private final transient Lifecycle lifecycle;
    private final transient Tickets tickets;

    public ApiServlet(Settings settings, Lifecycle lifecycle, Tickets tickets) {
        this.settings = settings;
        this.lifecycle = lifecycle;
        this.tickets = tickets;
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        switch (String.valueOf(request.getPathInfo())) {
            case "/tickets" -> list(response);
            case "/slow" -> slow(request, response);
            case "/stream" -> stream(request, response);
            default -> Responses.json(response, 404, Map.of("status", 404, "error", "Not Found"));
        }
    }

    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (!"/tickets".equals(request.getPathInfo())) {
            Responses.json(response, 404, Map.of("status", 404, "error", "Not Found"));
            return;
        }
        String title = new String(request.getInputStream().readNBytes(1_000), StandardCharsets.UTF_8);
        try {
            Responses.json(response, 201, Map.of("id", tickets.add(title), "version", settings.version()));
        } catch (SQLException failed) {
            unavailable(response, failed);
        }
    }

    private void list(HttpServletResponse response) throws IOException {
        try {
            Map<String, Object> body = new LinkedHashMap<>();
            body.put("version", settings.version());
            body.put("tickets", tickets.latest());
            body.put("views", tickets.countView());
            Responses.json(response, 200, body);
        } catch (SQLException failed) {
            unavailable(response, failed);
        }
    }

    private void slow(HttpServletRequest request, HttpServletResponse response) throws IOException {
        int milliseconds = number(request, "ms", 1_000, LONGEST_MILLISECONDS);
        sleep(milliseconds);
        Responses.json(response, 200, Map.of("version", settings.version(), "ms", milliseconds));
    }

    /** Chunked, since its length is not known; ends properly when the process has to go. */
    private void stream(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setContentType("text/plain");
        int seconds = number(request, "seconds", 3_600, 3_600);
        for (int line = 0; line < seconds && !lifecycle.isStopping(); line++) {
            String text = settings.version() + " " + line + "\n";
            response.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
            response.flushBuffer();
            sleep(1_000);
        }
    }

    private static int number(HttpServletRequest request, String name, int usual, int most) {
        String text = request.getParameter(name);
        try {
            return text == null ? usual : Math.max(0, Math.min(most, Integer.parseInt(text)));
        } catch (NumberFormatException notANumber) {
            return usual;
        }
    }

    private void unavailable(HttpServletResponse response, SQLException failed) throws IOException {
        getServletContext().log("database: " + failed.getMessage());
        Responses.json(response, 503, Map.of("status", 503, "error", "Service Unavailable",
                "version", settings.version()));
    }

    private static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
