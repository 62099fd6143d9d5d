package com.tt.backend.data;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.stream.Collectors;

/**
 * A client of a Redis Cluster: finds the node of a key, follows MOVED and ASK, and learns the topology
 * anew when a node does not answer, so that it goes on after a replica has taken over.
 */
public final class RedisCluster implements AutoCloseable {

    private static final int ATTEMPTS = 3;
    private static final long PATIENCE_NANOSECONDS = 1_000_000_000L;
    private static final long STALE_NANOSECONDS = 30_000_000_000L;

    private interface Exchange {
        Object with(RespConnection connection) throws IOException;
    }

    private final List<String> seeds;
    private final String password;
    private final Map<String, Deque<RespConnection>> idle = new ConcurrentHashMap<>();
    private final Map<String, Long> silentSince = new ConcurrentHashMap<>();
    private volatile String[] owners = new String[Slots.COUNT];
    private volatile long learntAt = System.nanoTime() - STALE_NANOSECONDS;

    public RedisCluster(List<String> seeds, String password) {
        this.seeds = List.copyOf(seeds);
        this.password = password;
    }

    /** Sends a command about one key, its first argument, to the node that serves the key. */
    public Object command(String name, String key, String... more) throws IOException {
        String[] words = new String[2 + more.length];
        words[0] = name;
        words[1] = key;
        System.arraycopy(more, 0, words, 2, more.length);
        int slot = Slots.of(key);
        IOException last = new IOException("no node known for slot " + slot);
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            learnIfOlderThan(STALE_NANOSECONDS);
            String node = owners[slot];
            try {
                return on(node == null ? seeds.get(attempt % seeds.size()) : node, words);
            } catch (IOException away) {
                last = away;
                learnIfOlderThan(PATIENCE_NANOSECONDS);
            }
        }
        throw last;
    }

    /** The `redis` component of health: what the first node that answers says of the cluster. */
    public Map<String, Object> probe() throws IOException {
        String answer = (String) onAny("CLUSTER", "INFO");
        Map<String, String> info = Arrays.stream(answer.split("\r\n"))
                .map(line -> line.split(":", 2))
                .filter(pair -> pair.length == 2)
                .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
        boolean up = "ok".equals(info.get("cluster_state"));
        return Map.of("status", up ? "UP" : "DOWN", "details", Map.of(
                "cluster_size", Long.valueOf(info.get("cluster_size")),
                "slots_up", Long.valueOf(info.get("cluster_slots_ok")),
                "slots_fail", Long.valueOf(info.get("cluster_slots_fail"))));
    }

    private Object on(String node, String... words) throws IOException {
        try {
            return exchange(node, connection -> connection.command(words));
        } catch (RedisError error) {
            if (error.says("MOVED")) {
                learnIfOlderThan(0);
                return exchange(error.target(), connection -> connection.command(words));
            }
            if (error.says("ASK")) {
                return exchange(error.target(), connection -> {
                    connection.command("ASKING");
                    return connection.command(words);
                });
            }
            if (error.says("CLUSTERDOWN")) {
                throw new IOException(error.getMessage());
            }
            throw error;
        }
    }

    private Object onAny(String... words) throws IOException {
        IOException last = new IOException("no node of the Redis Cluster is known");
        for (String node : nodes()) {
            try {
                return exchange(node, connection -> connection.command(words));
            } catch (IOException away) {
                last = away;
            }
        }
        throw last;
    }

    /** A node that has just not answered is not asked again for a second: callers do not queue for it. */
    private Object exchange(String node, Exchange exchange) throws IOException {
        Long since = silentSince.get(node);
        if (since != null && System.nanoTime() - since < PATIENCE_NANOSECONDS) {
            throw new IOException(node + " did not answer a moment ago");
        }
        try {
            Object answer = onIdleOrNew(node, exchange);
            silentSince.remove(node);
            return answer;
        } catch (IOException silent) {
            silentSince.put(node, System.nanoTime());
            throw silent;
        }
    }

    /** An idle connection may have died unnoticed; then a new one is tried. */
    private Object onIdleOrNew(String node, Exchange exchange) throws IOException {
        Deque<RespConnection> waiting = idle.computeIfAbsent(node, n -> new ConcurrentLinkedDeque<>());
        RespConnection used = waiting.pollFirst();
        if (used != null) {
            try {
                return keep(waiting, used, exchange);
            } catch (IOException dead) {
                closeAll(waiting);
            }
        }
        return keep(waiting, new RespConnection(node, password), exchange);
    }

    private static Object keep(Deque<RespConnection> waiting, RespConnection connection, Exchange exchange)
            throws IOException {
        boolean reusable = true;
        try {
            return exchange.with(connection);
        } catch (IOException broken) {
            reusable = false;
            throw broken;
        } finally {
            if (reusable) {
                waiting.addFirst(connection);
            } else {
                connection.close();
            }
        }
    }

    private synchronized void learnIfOlderThan(long nanoseconds) throws IOException {
        if (System.nanoTime() - learntAt < nanoseconds) {
            return;
        }
        List<?> ranges = (List<?>) onAny("CLUSTER", "SLOTS");
        String[] learnt = new String[Slots.COUNT];
        for (Object range : ranges) {
            List<?> fields = (List<?>) range;
            List<?> master = (List<?>) fields.get(2);
            int first = ((Long) fields.get(0)).intValue();
            int last = ((Long) fields.get(1)).intValue();
            Arrays.fill(learnt, first, last + 1, master.get(0) + ":" + master.get(1));
        }
        owners = learnt;
        learntAt = System.nanoTime();
    }

    /** Masters first learnt, then the nodes of the configuration. */
    private Set<String> nodes() {
        Set<String> nodes = new LinkedHashSet<>();
        for (String owner : owners) {
            if (owner != null) {
                nodes.add(owner);
            }
        }
        nodes.addAll(seeds);
        return nodes;
    }

    private static void closeAll(Deque<RespConnection> connections) throws IOException {
        for (RespConnection c = connections.pollFirst(); c != null; c = connections.pollFirst()) {
            c.close();
        }
    }

    @Override
    public void close() {
        List<Deque<RespConnection>> all = new ArrayList<>(idle.values());
        for (Deque<RespConnection> connections : all) {
            try {
                closeAll(connections);
            } catch (IOException alreadyGone) {
                continue;
            }
        }
    }
}
