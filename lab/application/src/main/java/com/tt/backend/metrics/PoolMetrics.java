package com.tt.backend.metrics;

import com.zaxxer.hikari.metrics.IMetricsTracker;
import com.zaxxer.hikari.metrics.MetricsTrackerFactory;
import com.zaxxer.hikari.metrics.PoolStats;
import java.util.concurrent.atomic.AtomicLong;

/** What HikariCP says of its one pool, under the names that Micrometer gives it. */
public final class PoolMetrics implements MetricsTrackerFactory, MetricSource {

    private final Timings acquire = new Timings();
    private final Timings usage = new Timings();
    private final Timings creation = new Timings();
    private final AtomicLong timeouts = new AtomicLong();
    private volatile String pool = "";
    private volatile PoolStats stats;

    @Override
    public IMetricsTracker create(String poolName, PoolStats poolStats) {
        pool = poolName;
        stats = poolStats;
        return new IMetricsTracker() {
            @Override
            public void recordConnectionCreatedMillis(long milliseconds) {
                creation.record(milliseconds / 1e3);
            }

            @Override
            public void recordConnectionAcquiredNanos(long nanoseconds) {
                acquire.record(nanoseconds / 1e9);
            }

            @Override
            public void recordConnectionUsageMillis(long milliseconds) {
                usage.record(milliseconds / 1e3);
            }

            @Override
            public void recordConnectionTimeout() {
                timeouts.incrementAndGet();
            }
        };
    }

    @Override
    public void writeTo(Exposition exposition) {
        if (stats == null) {
            return;
        }
        gauge(exposition, "", "Connections", stats.getTotalConnections());
        gauge(exposition, "_active", "Connections in use", stats.getActiveConnections());
        gauge(exposition, "_idle", "Connections not in use", stats.getIdleConnections());
        gauge(exposition, "_pending", "Threads waiting for one", stats.getPendingThreads());
        gauge(exposition, "_max", "Most there may be", stats.getMaxConnections());
        gauge(exposition, "_min", "Fewest idle there should be", stats.getMinConnections());
        exposition.family("hikaricp_connections_timeout_total", "counter", "Waits given up")
                .sample(timeouts.get(), "pool", pool);
        summary(exposition, "_acquire_seconds", "Waiting for a connection", acquire);
        summary(exposition, "_usage_seconds", "Using a connection", usage);
        summary(exposition, "_creation_seconds", "Making a connection", creation);
    }

    private void gauge(Exposition exposition, String suffix, String help, double value) {
        exposition.family("hikaricp_connections" + suffix, "gauge", help).sample(value, "pool", pool);
    }

    private void summary(Exposition exposition, String suffix, String help, Timings timings) {
        exposition.family("hikaricp_connections" + suffix, "summary", help);
        timings.writeSummary(exposition, "pool", pool);
        exposition.family("hikaricp_connections" + suffix + "_max", "gauge", help + ", longest")
                .sample(timings.longestAndReset(), "pool", pool);
    }
}
