package com.tt.backend.web;

import jakarta.websocket.Endpoint;
import jakarta.websocket.EndpointConfig;
import jakarta.websocket.Session;

/** A websocket that says which release is at its other end: once at first, then to every message. */
public final class LiveEndpoint extends Endpoint {

    private final String version;

    public LiveEndpoint(String version) {
        this.version = version;
    }

    @Override
    public void onOpen(Session session, EndpointConfig configuration) {
        session.getAsyncRemote().sendText(version);
        session.addMessageHandler(String.class, message -> session.getAsyncRemote().sendText(version));
    }
}
