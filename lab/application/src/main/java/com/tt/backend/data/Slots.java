package com.tt.backend.data;

import java.nio.charset.StandardCharsets;

/** Which of the 16384 slots of a Redis Cluster a key lies in (Redis Cluster specification). */
final class Slots {

    static final int COUNT = 16384;

    private Slots() {}

    static int of(String key) {
        int open = key.indexOf('{');
        int close = open < 0 ? -1 : key.indexOf('}', open);
        String hashed = close > open + 1 ? key.substring(open + 1, close) : key;
        return crc16(hashed.getBytes(StandardCharsets.UTF_8)) % COUNT;
    }

    /** CRC-16/XMODEM: polynomial 0x1021, initial value 0. */
    private static int crc16(byte[] bytes) {
        int crc = 0;
        for (byte b : bytes) {
            crc ^= (b & 0xff) << 8;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc & 0x8000) == 0 ? crc << 1 : (crc << 1) ^ 0x1021;
            }
        }
        return crc & 0xffff;
    }
}
