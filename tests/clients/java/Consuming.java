import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** The consumers of the client matrix. */
final class Consuming {
    private static final Duration POLL = Duration.ofMillis(200);

    private final String bootstrap;

    Consuming(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> more) {
        Map<String, Object> config = MatrixClient.consumerConfig(bootstrap);
        config.putAll(more);
        return new KafkaConsumer<>(
            config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private KafkaConsumer<byte[], byte[]> member(JsonNode request) {
        Map<String, Object> more = new TreeMap<>();
        more.put("group.id", request.get("group").asText());
        more.put("max.poll.records", 50);
        more.put("group.protocol", request.get("protocol").asText());
        if (request.get("protocol").asText().equals("classic")) {
            more.put("heartbeat.interval.ms", 300);
        }
        KafkaConsumer<byte[], byte[]> consumer = consumer(more);
        consumer.subscribe(List.of(request.get("topic").asText()));
        return consumer;
    }

    private static List<TopicPartition> partitions(
        KafkaConsumer<byte[], byte[]> consumer, JsonNode request) {
        return consumer.partitionsFor(request.get("topic").asText()).stream()
            .map(one -> new TopicPartition(one.topic(), one.partition())).toList();
    }

    private static void check(long deadline, String what) {
        if (System.currentTimeMillis() > deadline) {
            throw new IllegalStateException("after " + MatrixClient.WAIT_MS + " ms: " + what);
        }
    }

    void consume(JsonNode request, ObjectNode answer) throws Exception {
        Map<Integer, List<String>> lines = new TreeMap<>();
        ArrayNode values = answer.putArray("values");
        String prefix = request.hasNonNull("values") ? request.get("values").asText() : null;
        String isolation = request.get("isolation").asText();
        try (var consumer = consumer(Map.of("isolation.level", isolation))) {
            List<TopicPartition> partitions = partitions(consumer, request);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long deadline = System.currentTimeMillis() + MatrixClient.WAIT_MS;
            while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                check(deadline, "the ends " + ends + " are not reached");
                for (var record : consumer.poll(POLL)) {
                    lines.computeIfAbsent(record.partition(), one -> new ArrayList<>())
                        .add(line(record));
                    addValue(values, prefix, record);
                }
            }
        }
        ObjectNode told = answer.putObject("partitions");
        for (var entry : lines.entrySet()) {
            ObjectNode one = told.putObject(entry.getKey().toString());
            byte[] joined = String.join("\n", entry.getValue()).getBytes(StandardCharsets.UTF_8);
            one.put("count", entry.getValue().size());
            one.put("sha256", sha256(joined));
            if (request.path("lines").asBoolean()) {
                entry.getValue().forEach(one.putArray("lines")::add);
            }
        }
    }

    private static void addValue(
        ArrayNode values, String prefix, ConsumerRecord<byte[], byte[]> record) {
        if (prefix == null || record.value() == null) {
            return;
        }
        String text = new String(record.value(), StandardCharsets.UTF_8);
        if (text.startsWith(prefix)) {
            values.addArray().add(record.partition()).add(record.offset()).add(text);
        }
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) throws Exception {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(header.key() + "=" + shortHash(header.value()));
        }
        return String.join(" ", Long.toString(record.offset()), Long.toString(record.timestamp()),
            shortHash(record.key()), shortHash(record.value()),
            headers.isEmpty() ? "-" : String.join(",", headers));
    }

    private static String shortHash(byte[] bytes) throws Exception {
        return bytes == null ? "null" : sha256(bytes).substring(0, 16);
    }

    private static String sha256(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    void group(JsonNode request, ObjectNode answer) {
        Map<Integer, List<Long>> offsets = new TreeMap<>();
        int count = request.get("count").asInt();
        int commitEvery = request.path("commit_every").asInt(count);
        int consumed = 0;
        try (var member = member(request)) {
            Map<TopicPartition, OffsetAndMetadata> next = new TreeMap<>(
                java.util.Comparator.comparing(TopicPartition::partition));
            long deadline = System.currentTimeMillis() + MatrixClient.WAIT_MS;
            while (consumed < count) {
                check(deadline, consumed + " records of " + count);
                for (var record : member.poll(POLL)) {
                    if (consumed == count) {
                        break;
                    }
                    consumed++;
                    offsets.computeIfAbsent(record.partition(), one -> new ArrayList<>())
                        .add(record.offset());
                    next.put(new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
                    if (consumed % commitEvery == 0) {
                        member.commitSync(next);
                    }
                }
            }
            ObjectNode committed = answer.putObject("committed");
            member.committed(new HashSet<>(partitions(member, request))).forEach((one, offset) -> {
                if (offset != null) {
                    committed.put(Integer.toString(one.partition()), offset.offset());
                }
            });
        }
        answer.put("consumed", consumed);
        ObjectNode told = answer.putObject("offsets");
        offsets.forEach((partition, some) ->
            some.forEach(told.withArray(partition.toString())::add));
    }

    /** Two members of one group, until each has partitions and all records were seen. */
    void share(JsonNode request, ObjectNode answer) {
        Shared shared = new Shared(
            request.get("partitions").asInt(), request.get("count").asInt());
        List<CompletableFuture<Void>> members = new ArrayList<>();
        for (int index = 0; index < 2; index++) {
            int member = index;
            members.add(CompletableFuture.runAsync(() -> shareAs(member, request, shared)));
        }
        members.forEach(CompletableFuture::join);
        ArrayNode told = answer.putArray("members");
        for (Set<Integer> member : shared.members) {
            member.forEach(told.addArray()::add);
        }
        answer.put("consumed", shared.seen.size());
    }

    private void shareAs(int index, JsonNode request, Shared shared) {
        try (var member = member(request)) {
            long deadline = System.currentTimeMillis() + MatrixClient.WAIT_MS;
            while (!shared.done()) {
                check(deadline, "not shared: " + shared.members + ", " + shared.seen.size());
                for (var record : member.poll(POLL)) {
                    shared.see(record.partition() + " " + record.offset());
                }
                shared.assign(index, member.assignment());
            }
        } catch (RuntimeException failure) {
            shared.failed.set(true);
            throw failure;
        }
    }

    private static final class Shared {
        private final List<Set<Integer>> members = List.of(new TreeSet<>(), new TreeSet<>());
        private final Set<String> seen = new HashSet<>();
        private final AtomicBoolean failed = new AtomicBoolean();
        private final int partitions;
        private final int count;
        private boolean done;

        Shared(int partitions, int count) {
            this.partitions = partitions;
            this.count = count;
        }

        synchronized void see(String record) {
            seen.add(record);
        }

        synchronized void assign(int member, Set<TopicPartition> given) {
            // The first to leave hands its share to the other.
            if (!done()) {
                members.get(member).clear();
                given.forEach(one -> members.get(member).add(one.partition()));
            }
        }

        synchronized boolean done() {
            Set<Integer> held = new HashSet<>(members.get(0));
            held.addAll(members.get(1));
            int parts = members.get(0).size() + members.get(1).size();
            done |= failed.get() || (members.stream().noneMatch(Set::isEmpty)
                && parts == partitions && held.size() == partitions && seen.size() >= count);
            return done;
        }
    }
}
