package com.tt.backend;

import com.tt.backend.data.Database;
import com.tt.backend.data.RedisCluster;
import com.tt.backend.data.Tickets;
import com.tt.backend.metrics.HttpMetrics;
import com.tt.backend.metrics.JvmMetrics;
import com.tt.backend.metrics.PoolMetrics;
import com.tt.backend.web.ActuatorServlet;
import com.tt.backend.web.ApiServlet;
import com.tt.backend.web.LiveEndpoint;
import com.tt.backend.web.RequestFilter;
import com.tt.backend.web.WebServer;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * A small ticket service: reads PostgreSQL, counts in Redis Cluster, tells how it is.
 *
 * <p>Its outside is that of a Spring Boot application with Actuator, so that whatever deploys and
 * watches the one can deploy and watch the other.
 */
public final class Application {

    private static final Logger LOG = Logger.getLogger("tt.Application");

    private Application() {}

    public static void main(String[] arguments) throws Exception {
        Logging.oneLineOnStandardOutput();
        Settings settings = Settings.fromEnvironment(System.getenv());
        Behaviour behaviour = Behaviour.ofThisRelease();
        LOG.info(() -> "starting " + settings.version() + ", " + behaviour);

        Lifecycle lifecycle = new Lifecycle();
        PoolMetrics poolMetrics = new PoolMetrics();
        Database database = new Database(settings, poolMetrics);
        RedisCluster redis = new RedisCluster(settings.redisNodes(), settings.redisPassword());
        Health health = new Health(lifecycle, behaviour, database, redis);
        HttpMetrics httpMetrics = new HttpMetrics();
        WebServer server = new WebServer(settings.port());
        Tickets tickets = new Tickets(database, redis, settings.ddlAuto());

        server.filter(new RequestFilter(lifecycle, httpMetrics, behaviour));
        server.serve(new ApiServlet(settings, lifecycle, tickets), "/api/*", "/");
        server.converse("/api/live", () -> new LiveEndpoint(settings.version()));
        server.serve(new ActuatorServlet(settings, health,
                List.of(new JvmMetrics(), httpMetrics, poolMetrics, server)), "/actuator/*");

        tickets.prepareSchema();
        Thread.sleep(behaviour.slowStart().toMillis());
        server.start();
        stopOnSignal(settings, lifecycle, server, () -> { tickets.close(); redis.close(); database.close(); });
        if (!behaviour.neverHealthy()) {
            lifecycle.ready();
        }
        long milliseconds = ManagementFactory.getRuntimeMXBean().getUptime();
        LOG.info(() -> "started " + settings.version() + " in " + milliseconds + " ms");
        if (behaviour.crashAfter().isPresent()) {
            behaviour.awaitRequest();
            crash(behaviour.crashAfter().get());
        }
    }

    /** Refuse new work, go on answering while the gateway notices, finish what is begun, leave. */
    private static void stopOnSignal(
            Settings settings, Lifecycle lifecycle, WebServer server, Runnable closeData) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            Logging.atLast(Level.INFO, "stopping: no longer ready");
            lifecycle.drain();
            sleep(settings.drain());
            lifecycle.stop();
            boolean finished = server.stop(settings.grace());
            Logging.atLast(finished ? Level.INFO : Level.WARNING,
                    finished ? "stopped: every request was answered" : "stopped with requests unanswered");
            closeData.run();
        }, "shutdown"));
    }

    private static void crash(Duration delay) {
        sleep(delay);
        LOG.severe("crashing, as this release is told to");
        Runtime.getRuntime().halt(1);
    }

    private static void sleep(Duration duration) {
        try {
            Thread.sleep(duration.toMillis());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
