package com.tt.backend.metrics;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.DoubleAccumulator;
import java.util.concurrent.atomic.DoubleAdder;

/** How often something happened and how long it took, by histogram. */
final class Timings {

    /** Upper bounds in seconds; the last bucket is everything. */
    private static final double[] BOUNDS =
            {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, Double.POSITIVE_INFINITY};

    private final AtomicLong[] buckets = new AtomicLong[BOUNDS.length];
    private final DoubleAdder sum = new DoubleAdder();
    private final DoubleAccumulator longest = new DoubleAccumulator(Math::max, 0);

    Timings() {
        for (int i = 0; i < buckets.length; i++) {
            buckets[i] = new AtomicLong();
        }
    }

    void record(double seconds) {
        int bucket = 0;
        while (seconds > BOUNDS[bucket]) {
            bucket++;
        }
        buckets[bucket].incrementAndGet();
        sum.add(seconds);
        longest.accumulate(seconds);
    }

    void writeHistogram(Exposition exposition, String... labels) {
        long count = 0;
        String[] withBound = java.util.Arrays.copyOf(labels, labels.length + 2);
        withBound[labels.length] = "le";
        for (int i = 0; i < BOUNDS.length; i++) {
            count += buckets[i].get();
            boolean all = Double.isInfinite(BOUNDS[i]);
            withBound[labels.length + 1] = all ? "+Inf" : String.valueOf(BOUNDS[i]);
            exposition.suffixed("_bucket", count, withBound);
        }
        writeTotals(exposition, count, labels);
    }

    void writeSummary(Exposition exposition, String... labels) {
        long count = 0;
        for (AtomicLong bucket : buckets) {
            count += bucket.get();
        }
        writeTotals(exposition, count, labels);
    }

    double longestAndReset() {
        return longest.getThenReset();
    }

    private void writeTotals(Exposition exposition, long count, String... labels) {
        exposition.suffixed("_sum", sum.sum(), labels).suffixed("_count", count, labels);
    }
}
