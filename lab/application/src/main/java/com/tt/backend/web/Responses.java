package com.tt.backend.web;

import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Answers with their length, so that the connection can be used again. */
final class Responses {

    private Responses() {}

    static void json(HttpServletResponse response, int status, Object value) throws IOException {
        send(response, status, "application/json", Json.of(value));
    }

    static void send(HttpServletResponse response, int status, String type, String text)
            throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        response.setStatus(status);
        response.setContentType(type);
        response.setContentLength(body.length);
        response.getOutputStream().write(body);
    }
}
