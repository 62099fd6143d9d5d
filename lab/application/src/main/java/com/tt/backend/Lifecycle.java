package com.tt.backend;

/** Where this process is between start and stop; only ever moves forward. */
public final class Lifecycle {

    private enum Phase { STARTING, READY, DRAINING, STOPPING }

    private volatile Phase phase = Phase.STARTING;

    synchronized void ready() {
        if (phase == Phase.STARTING) {
            phase = Phase.READY;
        }
    }

    /** No longer ready, still answering: a gateway needs a moment to notice. */
    synchronized void drain() {
        phase = Phase.DRAINING;
    }

    synchronized void stop() {
        phase = Phase.STOPPING;
    }

    /** Whether requests are wanted. */
    public boolean isReady() {
        return phase == Phase.READY;
    }

    /** Whether clients should take their next request elsewhere. */
    public boolean isLeaving() {
        return phase.compareTo(Phase.DRAINING) >= 0;
    }

    /** Whether even what lasts for ever has to end now. */
    public boolean isStopping() {
        return phase == Phase.STOPPING;
    }
}
