package com.tt.backend;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.StreamHandler;

/** One line an event, for `docker compose logs`. */
final class Logging {

    private Logging() {}

    static void oneLineOnStandardOutput() {
        LogManager.getLogManager().reset();
        Handler console = new StandardOutput();
        Logger root = Logger.getLogger("");
        root.addHandler(console);
        root.setLevel(Level.INFO);
        Logger.getLogger("org.apache").setLevel(Level.WARNING);
        Logger.getLogger("com.zaxxer.hikari").setLevel(Level.WARNING);
    }

    /** For the shutdown: by then java.util.logging has closed its handlers. */
    static void atLast(Level level, String message) {
        LogRecord event = new LogRecord(level, message);
        event.setLoggerName("tt.Application");
        System.out.print(new OneLine().format(event));
    }

    private static final class StandardOutput extends StreamHandler {
        StandardOutput() {
            super(System.out, new OneLine());
        }

        @Override
        public synchronized void publish(LogRecord event) {
            super.publish(event);
            flush();
        }
    }

    private static final class OneLine extends Formatter {
        @Override
        public String format(LogRecord event) {
            String line = "%s %-7s %s: %s%n".formatted(Instant.ofEpochMilli(event.getMillis()),
                    event.getLevel(), event.getLoggerName(), formatMessage(event));
            return event.getThrown() == null ? line : line + trace(event.getThrown());
        }

        private static String trace(Throwable thrown) {
            StringWriter text = new StringWriter();
            thrown.printStackTrace(new PrintWriter(text, true));
            return text.toString();
        }
    }
}
