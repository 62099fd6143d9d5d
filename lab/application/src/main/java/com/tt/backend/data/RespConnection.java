package com.tt.backend.data;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** One connection to one Redis node, speaking RESP 2. Not for use by two threads at once. */
final class RespConnection implements AutoCloseable {

    private static final int CONNECT_MILLISECONDS = 500;
    private static final int ANSWER_MILLISECONDS = 1_000;

    private final Socket socket = new Socket();
    private final InputStream in;
    private final OutputStream out;

    /** Connects to `host:port` and authenticates. */
    RespConnection(String node, String password) throws IOException {
        int colon = node.lastIndexOf(':');
        String host = node.substring(0, colon);
        int port = Integer.parseInt(node.substring(colon + 1));
        try {
            socket.connect(new InetSocketAddress(host, port), CONNECT_MILLISECONDS);
            socket.setSoTimeout(ANSWER_MILLISECONDS);
            socket.setTcpNoDelay(true);
            in = new BufferedInputStream(socket.getInputStream());
            out = new BufferedOutputStream(socket.getOutputStream());
            command("AUTH", password);
        } catch (IOException | RuntimeException failed) {
            socket.close();
            throw failed;
        }
    }

    /** The answer: a String, Long, List or null; throws RedisError if the node answers with one. */
    Object command(String... words) throws IOException {
        write("*" + words.length);
        for (String word : words) {
            byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
            write("$" + bytes.length);
            out.write(bytes);
            out.write('\r');
            out.write('\n');
        }
        out.flush();
        return read();
    }

    private void write(String line) throws IOException {
        out.write(line.getBytes(StandardCharsets.US_ASCII));
        out.write('\r');
        out.write('\n');
    }

    private Object read() throws IOException {
        String line = readLine();
        String rest = line.substring(1);
        switch (line.charAt(0)) {
            case '+' -> {
                return rest;
            }
            case ':' -> {
                return Long.valueOf(rest);
            }
            case '$' -> {
                return readBulk(Integer.parseInt(rest));
            }
            case '*' -> {
                return readList(Integer.parseInt(rest));
            }
            case '-' -> throw new RedisError(rest);
            default -> throw new IOException("not RESP: " + line);
        }
    }

    private String readBulk(int length) throws IOException {
        if (length < 0) {
            return null;
        }
        byte[] bytes = in.readNBytes(length + 2);
        if (bytes.length < length + 2) {
            throw new EOFException("the node closed the connection");
        }
        return new String(bytes, 0, length, StandardCharsets.UTF_8);
    }

    private List<Object> readList(int length) throws IOException {
        List<Object> items = new ArrayList<>();
        for (int i = 0; i < length; i++) {
            items.add(read());
        }
        return items;
    }

    private String readLine() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c != '\r'; c = in.read()) {
            if (c < 0) {
                throw new EOFException("the node closed the connection");
            }
            line.append((char) c);
        }
        in.read();
        return line.toString();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
