package com.tt.backend;

import java.time.Duration;
import java.util.List;
import java.util.Map;

/** What the environment says, by Spring's names. A missing value stops the start with its name. */
public record Settings(
        int port,
        String databaseUrl,
        String databaseUser,
        String databasePassword,
        int poolSize,
        String ddlAuto,
        List<String> redisNodes,
        String redisPassword,
        Duration drain,
        Duration grace,
        String version,
        String commit,
        String built) {

    static Settings fromEnvironment(Map<String, String> environment) {
        return new Settings(
                Integer.parseInt(environment.getOrDefault("SERVER_PORT", "8080")),
                required(environment, "SPRING_DATASOURCE_URL"),
                required(environment, "SPRING_DATASOURCE_USERNAME"),
                required(environment, "SPRING_DATASOURCE_PASSWORD"),
                Integer.parseInt(
                        environment.getOrDefault("SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE", "10")),
                required(environment, "SPRING_JPA_HIBERNATE_DDL_AUTO"),
                List.of(required(environment, "SPRING_DATA_REDIS_CLUSTER_NODES").split(",")),
                required(environment, "SPRING_DATA_REDIS_PASSWORD"),
                seconds(environment.getOrDefault("APP_DRAIN", "2s")),
                seconds(environment.getOrDefault("SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", "30s")),
                environment.getOrDefault("INFO_VERSION", "unversioned"),
                environment.getOrDefault("INFO_COMMIT", "unknown"),
                environment.getOrDefault("INFO_BUILT", "unknown"));
    }

    /** Passwords stay out of logs. */
    @Override
    public String toString() {
        return "Settings[" + version + ", port " + port + "]";
    }

    private static String required(Map<String, String> environment, String name) {
        String value = environment.get(name);
        if (value == null || value.isBlank()) {
            throw new IllegalStateException(name + " is not set");
        }
        return value;
    }

    private static Duration seconds(String text) {
        return Duration.ofMillis((long) (1000 * Double.parseDouble(text.replaceFirst("s$", ""))));
    }
}
