package com.tt.backend.metrics;

import com.sun.management.GarbageCollectionNotificationInfo;
import com.sun.management.GcInfo;
import com.sun.management.UnixOperatingSystemMXBean;
import java.io.File;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ClassLoadingMXBean;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.lang.management.MemoryUsage;
import java.lang.management.RuntimeMXBean;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import javax.management.Notification;
import javax.management.NotificationEmitter;
import javax.management.openmbean.CompositeData;

/** Memory, collections, threads and the process itself, as Micrometer names them. */
public final class JvmMetrics implements MetricSource {

    private record Pause(String action, String cause, String gc) {
        String[] labels() {
            return new String[] {"action", action, "cause", cause, "gc", gc};
        }
    }

    private final Map<Pause, Timings> pauses = new ConcurrentHashMap<>();

    public JvmMetrics() {
        for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
            ((NotificationEmitter) collector).addNotificationListener(this::collected, null, null);
        }
    }

    private void collected(Notification notification, Object unused) {
        if (!notification.getType().equals(
                GarbageCollectionNotificationInfo.GARBAGE_COLLECTION_NOTIFICATION)) {
            return;
        }
        var info = GarbageCollectionNotificationInfo.from((CompositeData) notification.getUserData());
        GcInfo collection = info.getGcInfo();
        Pause pause = new Pause(info.getGcAction(), info.getGcCause(), info.getGcName());
        pauses.computeIfAbsent(pause, p -> new Timings()).record(collection.getDuration() / 1e3);
    }

    @Override
    public void writeTo(Exposition exposition) {
        memory(exposition, "used", MemoryUsage::getUsed);
        memory(exposition, "committed", MemoryUsage::getCommitted);
        memory(exposition, "max", MemoryUsage::getMax);
        buffers(exposition);
        collections(exposition);
        threads(exposition);
        classes(exposition);
        process(exposition);
        disk(exposition, new File("."));
    }

    private static void memory(Exposition exposition, String what, ToDoubleFunction<MemoryUsage> value) {
        exposition.family("jvm_memory_" + what + "_bytes", "gauge", "Memory " + what);
        for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
            String area = pool.getType() == MemoryType.HEAP ? "heap" : "nonheap";
            exposition.sample(value.applyAsDouble(pool.getUsage()), "area", area, "id", pool.getName());
        }
    }

    private static void buffers(Exposition exposition) {
        var pools = ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class);
        exposition.family("jvm_buffer_memory_used_bytes", "gauge", "Buffers outside the heap");
        pools.forEach(pool -> exposition.sample(pool.getMemoryUsed(), "id", pool.getName()));
        exposition.family("jvm_buffer_total_capacity_bytes", "gauge", "What they could hold");
        pools.forEach(pool -> exposition.sample(pool.getTotalCapacity(), "id", pool.getName()));
    }

    private void collections(Exposition exposition) {
        exposition.family("jvm_gc_pause_seconds", "summary", "Pauses of the garbage collector");
        pauses.forEach((pause, timings) -> timings.writeSummary(exposition, pause.labels()));
        exposition.family("jvm_gc_pause_seconds_max", "gauge", "Longest pause since the last look");
        pauses.forEach((pause, timings) ->
                exposition.sample(timings.longestAndReset(), pause.labels()));
    }

    private static void threads(Exposition exposition) {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        gauge(exposition, "jvm_threads_live_threads", "Threads", threads.getThreadCount());
        gauge(exposition, "jvm_threads_daemon_threads", "Daemons", threads.getDaemonThreadCount());
        gauge(exposition, "jvm_threads_peak_threads", "Most so far", threads.getPeakThreadCount());
        Map<Thread.State, Long> states = Arrays.stream(threads.getThreadInfo(threads.getAllThreadIds()))
                .filter(thread -> thread != null)
                .collect(Collectors.groupingBy(thread -> thread.getThreadState(), Collectors.counting()));
        exposition.family("jvm_threads_states_threads", "gauge", "Threads by what they are doing");
        for (Thread.State state : Thread.State.values()) {
            String name = state.name().toLowerCase().replace('_', '-');
            exposition.sample(states.getOrDefault(state, 0L), "state", name);
        }
    }

    private static void classes(Exposition exposition) {
        ClassLoadingMXBean classes = ManagementFactory.getClassLoadingMXBean();
        gauge(exposition, "jvm_classes_loaded_classes", "Classes", classes.getLoadedClassCount());
    }

    private static void process(Exposition exposition) {
        RuntimeMXBean runtime = ManagementFactory.getRuntimeMXBean();
        var system = (UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        gauge(exposition, "process_uptime_seconds", "Uptime", runtime.getUptime() / 1e3);
        gauge(exposition, "process_start_time_seconds", "Start", runtime.getStartTime() / 1e3);
        gauge(exposition, "process_cpu_usage", "Of this process", system.getProcessCpuLoad());
        gauge(exposition, "system_cpu_usage", "Of the system", system.getCpuLoad());
        gauge(exposition, "system_cpu_count", "Processors", system.getAvailableProcessors());
        gauge(exposition, "system_load_average_1m", "Load", system.getSystemLoadAverage());
        gauge(exposition, "process_files_open_files", "Open", system.getOpenFileDescriptorCount());
        gauge(exposition, "process_files_max_files", "Limit", system.getMaxFileDescriptorCount());
        exposition.family("jvm_info", "gauge", "The virtual machine").sample(1,
                "runtime", runtime.getVmName(), "vendor", runtime.getVmVendor(),
                "version", runtime.getVmVersion());
    }

    /** The disk under the working directory: in a container, the host's. */
    private static void disk(Exposition exposition, File folder) {
        String path = folder.getAbsolutePath();
        exposition.family("disk_free_bytes", "gauge", "Room on the disk")
                .sample(folder.getUsableSpace(), "path", path);
        exposition.family("disk_total_bytes", "gauge", "Size of the disk")
                .sample(folder.getTotalSpace(), "path", path);
    }

    private static void gauge(Exposition exposition, String name, String help, double value) {
        exposition.family(name, "gauge", help).sample(value);
    }
}
