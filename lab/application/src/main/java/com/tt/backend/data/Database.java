package com.tt.backend.data;

import com.tt.backend.Settings;
import com.tt.backend.metrics.PoolMetrics;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;

/** PostgreSQL behind a HikariCP pool. Starts without the server and finds it when it comes. */
public final class Database implements AutoCloseable {

    /** What is done with one borrowed connection. */
    public interface Work<T> {
        T with(Connection connection) throws SQLException;
    }

    /** Of a request, for a connection: a machine short of processors takes seconds to make one. */
    private static final long PATIENCE_SECONDS = 10;

    private final HikariDataSource pool;

    public Database(Settings settings, PoolMetrics metrics) {
        HikariConfig config = new HikariConfig();
        config.setPoolName("HikariPool-1");
        config.setJdbcUrl(settings.databaseUrl());
        config.setUsername(settings.databaseUser());
        config.setPassword(settings.databasePassword());
        config.setMaximumPoolSize(settings.poolSize());
        config.setMinimumIdle(Math.min(2, settings.poolSize()));
        config.setConnectionTimeout(PATIENCE_SECONDS * 1_000);
        config.setValidationTimeout(5_000);
        config.setInitializationFailTimeout(-1);
        config.setMetricsTrackerFactory(metrics);
        config.addDataSourceProperty("ApplicationName", "tt-backend");
        config.addDataSourceProperty("connectTimeout", String.valueOf(PATIENCE_SECONDS));
        config.addDataSourceProperty("socketTimeout", "20");
        pool = new HikariDataSource(config);
    }

    /** Borrows a connection for the work; it goes back whatever happens. */
    public <T> T call(Work<T> work) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return work.with(connection);
        }
    }

    /** The `db` component of health; throws when the database does not answer. */
    public Map<String, Object> probe() throws SQLException {
        return call(connection -> {
            try (Statement statement = connection.createStatement();
                    ResultSet row = statement.executeQuery("SELECT NOT pg_is_in_recovery()")) {
                row.next();
                boolean writable = row.getBoolean(1);
                return Map.of("status", writable ? "UP" : "DOWN",
                        "details", Map.of("database", "PostgreSQL", "writable", writable));
            }
        });
    }

    @Override
    public void close() {
        pool.close();
    }
}
