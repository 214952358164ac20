import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads partitions back with stock consumers. */
final class Reading {
    private final Access access;

    Reading(Access access) {
        this.access = access;
    }

    private interface EachRecord {
        void accept(ConsumerRecord<byte[], byte[]> record) throws Exception;
    }

    /** Reads from "from" (or the log start) to "to" (or the end as of now), which it returns. */
    private long read(JsonNode request, EachRecord each) throws Exception {
        TopicPartition partition = Driver.partition(request);
        Properties config = access.config();
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        config.put("isolation.level", request.get("isolation").asText());
        config.put("auto.offset.reset", "none");
        config.put("enable.auto.commit", "false");
        config.put("max.poll.records", "10000");
        config.put("fetch.max.bytes", "67108864");
        config.put("max.partition.fetch.bytes", "16777216");
        // Closing waits for the fetch behind the last record.
        config.put("fetch.max.wait.ms", "10");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            consumer.assign(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            if (request.hasNonNull("to")) {
                end = Math.min(end, request.get("to").asLong());
            }
            if (request.hasNonNull("from")) {
                consumer.seek(partition, request.get("from").asLong());
            } else {
                consumer.seekToBeginning(List.of(partition));
            }
            long deadline = System.currentTimeMillis() + Driver.WAIT_MS;
            while (consumer.position(partition) < end) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.offset() < end) {
                        each.accept(record);
                    }
                    deadline = System.currentTimeMillis() + Driver.WAIT_MS;
                }
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException(partition + " gives nothing at "
                        + consumer.position(partition) + " while its end is " + end);
                }
            }
            return end;
        }
    }

    void digest(JsonNode request, ObjectNode answer) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        ArrayNode offsets = answer.putArray("offsets");
        ArrayNode epochs = answer.putArray("epochs");
        long[] state = {0, -2, -2, -2}; // count, run start, run end, epoch
        long end = read(request, record -> {
            absorb(digest, record);
            state[0]++;
            if (record.offset() != state[2] + 1) {
                closeRun(offsets, state);
                state[1] = record.offset();
            }
            state[2] = record.offset();
            int epoch = record.leaderEpoch().orElse(-1);
            if (epoch != state[3]) {
                state[3] = epoch;
                epochs.addArray().add(epoch).add(record.offset());
            }
        });
        closeRun(offsets, state);
        answer.put("count", state[0]);
        answer.put("end", end);
        answer.put("sha256", hex(digest.digest()));
    }

    private static void closeRun(ArrayNode offsets, long[] state) {
        if (state[1] >= 0) {
            offsets.addArray().add(state[1]).add(state[2]);
        }
    }

    private static void absorb(MessageDigest digest, ConsumerRecord<byte[], byte[]> record) {
        digest.update(ByteBuffer.allocate(20).putLong(record.offset()).putLong(record.timestamp())
            .putInt(record.timestampType().id).flip());
        absorb(digest, record.key());
        absorb(digest, record.value());
        for (Header header : record.headers()) {
            absorb(digest, header.key().getBytes(StandardCharsets.UTF_8));
            absorb(digest, header.value());
        }
    }

    private static void absorb(MessageDigest digest, byte[] bytes) {
        digest.update(ByteBuffer.allocate(4).putInt(bytes == null ? -1 : bytes.length).flip());
        if (bytes != null) {
            digest.update(bytes);
        }
    }

    void records(JsonNode request, ObjectNode answer) throws Exception {
        ArrayNode out = answer.putArray("records");
        read(request, record -> {
            ObjectNode one = out.addObject();
            one.put("offset", record.offset());
            one.put("timestamp", record.timestamp());
            one.put("epoch", record.leaderEpoch().orElse(-1));
            one.put("key", text(record.key()));
            one.put("value", text(record.value()));
        });
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }

    private static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte one : bytes) {
            text.append(String.format("%02x", one));
        }
        return text.toString();
    }

    /** Reads on in a consumer group until so many records came, commits behind them, and leaves. */
    void readInGroup(JsonNode request, ObjectNode answer) {
        Properties config = access.config();
        config.put("group.id", request.get("group").asText());
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        int wanted = request.get("count").asInt();
        config.put("max.poll.records", wanted);
        long deadline = System.currentTimeMillis() + Driver.WAIT_MS / 2;
        int read = 0;
        if (request.has("protocol")) {
            config.put("group.protocol", request.get("protocol").asText());
        }
        ArrayNode offsets = answer.putArray("offsets");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            consumer.subscribe(List.of(request.get("topic").asText()));
            while (read < wanted && System.currentTimeMillis() < deadline) {
                var records = consumer.poll(Duration.ofMillis(200));
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    read++;
                    offsets.add(record.offset());
                }
            }
            consumer.commitSync();
        }
        answer.put("read", read);
    }
}
