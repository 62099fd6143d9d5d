package com.tt.backend.data;

/** An error that a Redis node answered with, as against one in reaching it. */
public final class RedisError extends RuntimeException {

    private static final long serialVersionUID = 1L;

    RedisError(String message) {
        super(message);
    }

    boolean says(String code) {
        return getMessage().startsWith(code + " ");
    }

    /** The node that MOVED and ASK point to: the third word, `address:port`. */
    String target() {
        return getMessage().split(" ")[2];
    }
}
