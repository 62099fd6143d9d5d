package com.tt.backend;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/** How this release is told to behave, by src/main/resources/behaviour.properties. */
public final class Behaviour {

    private final String name;
    private final double value;
    private final AtomicLong requests = new AtomicLong();
    private final CountDownLatch asked = new CountDownLatch(1);
    private volatile Long firstRequest;

    private Behaviour(String name, double value) {
        this.name = name;
        this.value = value;
    }

    static Behaviour ofThisRelease() throws IOException {
        Properties properties = new Properties();
        try (InputStream file = Behaviour.class.getResourceAsStream("/behaviour.properties")) {
            properties.load(file);
        }
        return parse(properties.getProperty("behaviour", "healthy").strip());
    }

    static Behaviour parse(String text) {
        String[] parts = text.split("=", 2);
        switch (parts[0]) {
            case "healthy", "never-healthy" -> {
                return new Behaviour(parts[0], 0);
            }
            case "crash-after", "slow-start", "fail-rate", "ill-after" -> {
                return new Behaviour(parts[0], Double.parseDouble(parts[1]));
            }
            default -> throw new IllegalArgumentException("no such behaviour: " + text);
        }
    }

    public boolean neverHealthy() {
        return name.equals("never-healthy");
    }

    /** Notes that a client has asked for something: from the first one on the time of `...-after` runs. */
    public void noteRequest() {
        if (firstRequest == null) {
            firstRequest = System.nanoTime();
            asked.countDown();
        }
    }

    /** Waits until a client has asked for something. */
    void awaitRequest() throws InterruptedException {
        asked.await();
    }

    /** Whether the health is DOWN by now, though the process goes on and is ready. */
    boolean isIll() {
        Long first = firstRequest;
        return name.equals("ill-after") && first != null && System.nanoTime() - first > duration().toNanos();
    }

    Duration slowStart() {
        return name.equals("slow-start") ? duration() : Duration.ZERO;
    }

    Optional<Duration> crashAfter() {
        return name.equals("crash-after") ? Optional.of(duration()) : Optional.empty();
    }

    /** Whether the next request is one of those that fail: evenly spread, not by chance. */
    public boolean failsNow() {
        if (!name.equals("fail-rate")) {
            return false;
        }
        long request = requests.incrementAndGet();
        return Math.floor(request * value) > Math.floor((request - 1) * value);
    }

    private Duration duration() {
        return Duration.ofMillis((long) (value * 1000));
    }

    @Override
    public String toString() {
        return "behaviour " + name + (value == 0 ? "" : "=" + value);
    }
}
