package com.tt.backend.web;

import jakarta.websocket.Endpoint;
import jakarta.websocket.EndpointConfig;
import jakarta.websocket.Session;
import java.io.IOException;
import java.io.UncheckedIOException;

/** A websocket that says which release is at its other end: once at first, then to every message. */
public final class LiveEndpoint extends Endpoint {

    private final String version;

    public LiveEndpoint(String version) {
        this.version = version;
    }

    @Override
    public void onOpen(Session session, EndpointConfig configuration) {
        tell(session);
        session.addMessageHandler(String.class, message -> tell(session));
    }

    /** Waits until it is sent: an answer while the one before is still on its way ends the session. */
    private void tell(Session session) {
        try {
            session.getBasicRemote().sendText(version);
        } catch (IOException gone) {
            throw new UncheckedIOException(gone);
        }
    }
}
