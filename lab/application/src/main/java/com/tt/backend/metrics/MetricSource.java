package com.tt.backend.metrics;

/** Something that has samples for /actuator/prometheus. */
public interface MetricSource {
    void writeTo(Exposition exposition);
}
