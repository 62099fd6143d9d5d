package com.tt.backend;

import com.tt.backend.data.Database;
import com.tt.backend.data.RedisCluster;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What /actuator/health says: the whole and its parts, at most a second old. */
public final class Health {

    /** Below the five seconds that whoever asks for the health waits for it. */
    private static final Duration PROBE_TIMEOUT = Duration.ofSeconds(3);
    private static final long FRESH_NANOSECONDS = Duration.ofSeconds(1).toNanos();

    /** A status by Spring's names, the parts it is made of. */
    public record Status(String status, Map<String, Object> components) {
        public boolean isUp() {
            return status.equals("UP");
        }
    }

    private final ExecutorService probes = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "health-probe");
        thread.setDaemon(true);
        return thread;
    });
    private final Lifecycle lifecycle;
    private final Behaviour behaviour;
    private final Map<String, Callable<Map<String, Object>>> dependencies = new LinkedHashMap<>();
    private Map<String, Object> seen = Map.of();
    private long seenAt = System.nanoTime() - 2 * FRESH_NANOSECONDS;

    Health(Lifecycle lifecycle, Behaviour behaviour, Database database, RedisCluster redis) {
        this.lifecycle = lifecycle;
        this.behaviour = behaviour;
        dependencies.put("db", database::probe);
        dependencies.put("redis", redis::probe);
    }

    public Status overall() {
        Map<String, Object> components = new LinkedHashMap<>(dependencies());
        components.put("livenessState", liveness().components().get("livenessState"));
        components.put("readinessState", readiness().components().get("readinessState"));
        if (behaviour.neverHealthy() || behaviour.isIll()) {
            components.put("application", Map.of("status", "DOWN"));
        }
        return new Status(worst(components), components);
    }

    /** Whether the process wants traffic; says nothing of its data stores, as with Spring Boot. */
    public Status readiness() {
        String status = lifecycle.isReady() ? "UP" : "OUT_OF_SERVICE";
        return new Status(status, Map.of("readinessState", Map.of("status", status)));
    }

    public Status liveness() {
        return new Status("UP", Map.of("livenessState", Map.of("status", "UP")));
    }

    private synchronized Map<String, Object> dependencies() {
        if (System.nanoTime() - seenAt > FRESH_NANOSECONDS) {
            seen = probeAll();
            seenAt = System.nanoTime();
        }
        return seen;
    }

    private Map<String, Object> probeAll() {
        Map<String, Future<Map<String, Object>>> running = new LinkedHashMap<>();
        dependencies.forEach((name, probe) -> running.put(name, probes.submit(probe)));
        long deadline = System.nanoTime() + PROBE_TIMEOUT.toNanos();
        Map<String, Object> components = new LinkedHashMap<>();
        running.forEach((name, probe) -> components.put(name, result(probe, deadline)));
        return components;
    }

    private static Map<String, Object> result(Future<Map<String, Object>> probe, long deadline) {
        try {
            long left = Math.max(1, deadline - System.nanoTime());
            return probe.get(left, TimeUnit.NANOSECONDS);
        } catch (TimeoutException late) {
            probe.cancel(true);
            return down("no answer within " + PROBE_TIMEOUT.toMillis() + " ms");
        } catch (ExecutionException failed) {
            return down(String.valueOf(failed.getCause().getMessage()));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return down("interrupted");
        }
    }

    private static Map<String, Object> down(String error) {
        return Map.of("status", "DOWN", "details", Map.of("error", error));
    }

    private static String worst(Map<String, Object> components) {
        String worst = "UP";
        for (Object component : components.values()) {
            Object status = ((Map<?, ?>) component).get("status");
            if (status.equals("DOWN")) {
                return "DOWN";
            }
            worst = status.equals("UP") ? worst : status.toString();
        }
        return worst;
    }
}
