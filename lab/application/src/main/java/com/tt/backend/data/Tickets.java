package com.tt.backend.data;

import java.io.IOException;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The business of the sample: tickets in PostgreSQL, and how often they were looked at in Redis. */
public final class Tickets implements AutoCloseable {

    private static final Logger LOG = Logger.getLogger("tt.Tickets");
    private static final String CREATE = """
            CREATE TABLE IF NOT EXISTS tickets (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                title text NOT NULL,
                created_at timestamptz NOT NULL DEFAULT now())""";
    private static final String LATEST = "SELECT id, title FROM tickets ORDER BY id DESC LIMIT 20";
    private static final String INSERT = "INSERT INTO tickets (title) VALUES (?) RETURNING id";

    private final Database database;
    private final RedisCluster redis;
    private final String ddlAuto;
    private volatile boolean schemaPrepared;

    public Tickets(Database database, RedisCluster redis, String ddlAuto) {
        this.database = database;
        this.redis = redis;
        this.ddlAuto = ddlAuto;
    }

    /** Does with the schema what Hibernate would by the same word; tried again if it failed. */
    public synchronized void prepareSchema() {
        if (schemaPrepared) {
            return;
        }
        try {
            switch (ddlAuto) {
                case "create", "create-drop" -> execute("DROP TABLE IF EXISTS tickets", CREATE);
                case "update" -> execute(CREATE);
                case "validate" -> execute("SELECT id, title, created_at FROM tickets LIMIT 0");
                case "none" -> { }
                default -> throw new IllegalArgumentException("DDL_AUTO: no such word: " + ddlAuto);
            }
            schemaPrepared = true;
        } catch (SQLException failed) {
            LOG.log(Level.WARNING, "schema not prepared yet: {0}", failed.getMessage());
        }
    }

    public List<Map<String, Object>> latest() throws SQLException {
        prepareSchema();
        return database.call(connection -> {
            try (Statement statement = connection.createStatement();
                    ResultSet rows = statement.executeQuery(LATEST)) {
                List<Map<String, Object>> tickets = new ArrayList<>();
                while (rows.next()) {
                    Map<String, Object> ticket = new LinkedHashMap<>();
                    ticket.put("id", rows.getLong(1));
                    ticket.put("title", rows.getString(2));
                    tickets.add(ticket);
                }
                return tickets;
            }
        });
    }

    /** Stores a ticket and returns its number. */
    public long add(String title) throws SQLException {
        prepareSchema();
        return database.call(connection -> {
            try (PreparedStatement statement = connection.prepareStatement(INSERT)) {
                statement.setString(1, title);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    return row.getLong(1);
                }
            }
        });
    }

    /** Counts one view; null while the counter's node is away, which is no reason to fail a reader. */
    public Long countView() {
        try {
            return (Long) redis.command("INCR", "tickets:views");
        } catch (IOException | RedisError away) {
            LOG.log(Level.FINE, "view not counted: {0}", away.getMessage());
            return null;
        }
    }

    private void execute(String... statements) throws SQLException {
        database.call(connection -> {
            try (Statement statement = connection.createStatement()) {
                for (String sql : statements) {
                    statement.execute(sql);
                }
                return null;
            }
        });
    }

    @Override
    public void close() {
        if (!ddlAuto.equals("create-drop")) {
            return;
        }
        try {
            execute("DROP TABLE IF EXISTS tickets");
        } catch (SQLException failed) {
            LOG.log(Level.WARNING, "tables not dropped: {0}", failed.getMessage());
        }
    }
}
