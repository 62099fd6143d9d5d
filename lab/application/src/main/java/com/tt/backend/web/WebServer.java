package com.tt.backend.web;

import com.tt.backend.metrics.Exposition;
import com.tt.backend.metrics.MetricSource;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServlet;
import jakarta.websocket.DeploymentException;
import jakarta.websocket.Endpoint;
import jakarta.websocket.server.ServerContainer;
import jakarta.websocket.server.ServerEndpointConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.catalina.Context;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.Wrapper;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;
import org.apache.tomcat.util.threads.ThreadPoolExecutor;
import org.apache.tomcat.websocket.server.WsSci;

/** Tomcat, embedded, as Spring Boot does it. */
public final class WebServer implements MetricSource {

    private static final int MOST_THREADS = 100;

    private final Tomcat tomcat = new Tomcat();
    private final Connector connector = new Connector();
    private final Context context;

    public WebServer(int port) {
        tomcat.setBaseDir(Path.of(System.getProperty("java.io.tmpdir"), "tomcat." + port).toString());
        connector.setPort(port);
        connector.setProperty("bindOnInit", "false"); // else the socket cannot be closed by itself
        connector.setProperty("maxThreads", String.valueOf(MOST_THREADS));
        connector.setProperty("keepAliveTimeout", "60000");
        connector.setProperty("maxKeepAliveRequests", "-1");
        tomcat.setConnector(connector);
        context = tomcat.addContext("", null);
        context.addServletContainerInitializer(new WsSci(), null);
    }

    public void filter(Filter filter) {
        FilterDef definition = new FilterDef();
        definition.setFilterName(filter.getClass().getSimpleName());
        definition.setFilter(filter);
        FilterMap mapping = new FilterMap();
        mapping.setFilterName(definition.getFilterName());
        mapping.addURLPattern("/*");
        context.addFilterDef(definition);
        context.addFilterMap(mapping);
    }

    public void serve(HttpServlet servlet, String... patterns) {
        Wrapper wrapper = Tomcat.addServlet(context, servlet.getClass().getSimpleName(), servlet);
        for (String pattern : patterns) {
            wrapper.addMapping(pattern);
        }
    }

    /** Websockets at this path; each is told to go away (1001) when the server stops. */
    public void converse(String path, Supplier<Endpoint> endpoint) {
        ServerEndpointConfig configuration = ServerEndpointConfig.Builder.create(Endpoint.class, path)
                .configurator(new ServerEndpointConfig.Configurator() {
                    @Override
                    public <T> T getEndpointInstance(Class<T> type) {
                        return type.cast(endpoint.get());
                    }
                })
                .build();
        context.addServletContainerInitializer((classes, servlets) -> {
            try {
                ((ServerContainer) servlets.getAttribute(ServerContainer.class.getName()))
                        .addEndpoint(configuration);
            } catch (DeploymentException failed) {
                throw new IllegalStateException(failed);
            }
        }, Set.of());
    }

    public void start() throws LifecycleException {
        tomcat.start();
        if (!connector.getState().isAvailable()) {
            throw new LifecycleException("port " + connector.getPort() + " could not be opened");
        }
    }

    /**
     * Takes no new connection, finishes what is begun; whether all of it was in time.
     *
     * <p>The connector is not paused: it would answer a request on an open connection with 503.
     */
    public boolean stop(Duration grace) {
        connector.getProtocolHandler().closeServerSocketGraceful();
        boolean finished = isIdleWithin(grace);
        try {
            tomcat.stop();
            tomcat.destroy();
        } catch (LifecycleException failed) {
            throw new IllegalStateException(failed);
        }
        return finished;
    }

    private boolean isIdleWithin(Duration grace) {
        long deadline = System.nanoTime() + grace.toNanos();
        while (threads().getActiveCount() > 0) {
            if (System.nanoTime() > deadline) {
                return false;
            }
            try {
                Thread.sleep(20);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
        return true;
    }

    private ThreadPoolExecutor threads() {
        return (ThreadPoolExecutor) connector.getProtocolHandler().getExecutor();
    }

    @Override
    public void writeTo(Exposition exposition) {
        String[] labels = {"name", "http-nio-" + connector.getPort()};
        exposition.family("tomcat_threads_busy_threads", "gauge", "Threads answering a request")
                .sample(threads().getActiveCount(), labels);
        exposition.family("tomcat_threads_current_threads", "gauge", "Threads there are")
                .sample(threads().getPoolSize(), labels);
        exposition.family("tomcat_threads_config_max_threads", "gauge", "Threads there may be")
                .sample(MOST_THREADS, labels);
    }
}
