import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Drives Kafka clusters with Kafka's own clients: one JSON object per line in, one per line out.
 *
 * <p>A request has "do" and its arguments; an answer has "ok" true and its results, or "ok" false
 * and "error". It is about the cluster of the command line unless "at" names another one, and comes
 * from nobody unless "as" names a user. The typed side is tests/harness/src/driver.rs.
 */
public final class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();
    static final long WAIT_MS = 60_000;

    private final Access access;
    private final Admin admin;
    private final Reading reading;
    /** Producers that outlive a request: by name, or by transactional id. */
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private final Set<String> openTransactions = new HashSet<>();

    private Driver(Access access) {
        this.access = access;
        Properties config = access.config();
        config.put("reconnect.backoff.max.ms", "200");
        config.put("retry.backoff.max.ms", "200");
        // The default from 4.0 on: finds a cluster again of which other brokers are up by now.
        config.put("metadata.recovery.strategy", "rebootstrap");
        this.admin = Admin.create(config);
        this.reading = new Reading(access);
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        Map<Access, Driver> drivers = new HashMap<>();
        BufferedReader requests =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JsonNode request = JSON.readTree(line);
            Access access = Access.of(request, args[0]);
            boolean leaves = request.get("do").asText().equals("leave");
            Driver driver = leaves
                ? drivers.remove(access) : drivers.computeIfAbsent(access, Driver::new);
            ObjectNode answer = leaves ? left(driver) : driver.answer(request);
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        // Open transactions must stay open and no leave is taken: end without closing anything.
        Runtime.getRuntime().halt(0);
    }

    /** Closes what was opened to a cluster, which may be gone. */
    private static ObjectNode left(Driver driver) {
        if (driver != null) {
            driver.producers.values().forEach(producer -> producer.close(Duration.ZERO));
            driver.admin.close(Duration.ZERO);
        }
        return JSON.createObjectNode().put("ok", true);
    }

    private ObjectNode answer(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            answer.put("ok", true);
            perform(request, answer);
        } catch (Throwable thrown) {
            Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            thrown.printStackTrace();
            answer = JSON.createObjectNode();
            answer.put("ok", false);
            answer.put("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
        }
        return answer;
    }

    private void perform(JsonNode request, ObjectNode answer) throws Exception {
        String command = request.get("do").asText();
        switch (command) {
            case "wait_ready" -> waitReady(request, answer);
            case "create_topic" -> createTopic(request, answer);
            case "delete_topic" -> deleteTopic(request);
            case "list_topics" -> listTopics(answer);
            case "describe_topic" -> describeTopic(request, answer);
            case "topic_configs" -> topicConfigs(request, answer);
            case "add_partitions" -> addPartitions(request);
            case "alter_configs" -> alterConfigs(request);
            case "delete_records" -> deleteRecords(request, answer);
            case "elect_leader" -> electLeader(request);
            case "reassign" -> reassign(request);
            case "produce" -> produce(request, answer);
            case "end_transaction" -> endTransaction(request);
            case "ongoing_transactions" -> ongoingTransactions(answer);
            case "close_producer" -> closeProducer(request);
            case "digest" -> reading.digest(request, answer);
            case "records" -> reading.records(request, answer);
            case "read_in_group" -> reading.readInGroup(request, answer);
            case "commit_group" -> commitGroup(request);
            case "group_offsets" -> groupOffsets(request, answer);
            case "create_acls" -> Acls.create(admin, request);
            case "delete_acls" -> Acls.delete(admin, request);
            case "acls" -> Acls.list(admin, answer);
            default -> throw new IllegalArgumentException("unknown command " + command);
        }
    }

    private void waitReady(JsonNode request, ObjectNode answer) throws Exception {
        Set<Integer> wanted = new HashSet<>();
        request.get("nodes").forEach(node -> wanted.add(node.asInt()));
        long deadline = System.currentTimeMillis() + WAIT_MS;
        while (true) {
            Set<Integer> seen = new HashSet<>();
            try {
                var cluster = admin.describeCluster();
                for (Node node : cluster.nodes().get()) {
                    seen.add(node.id());
                }
                if (seen.equals(wanted)) {
                    answer.put("cluster_id", cluster.clusterId().get());
                    return;
                }
            } catch (ExecutionException error) {
                if (System.currentTimeMillis() > deadline) {
                    throw error;
                }
            }
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("brokers " + seen + " answer, not " + wanted);
            }
            Thread.sleep(50);
        }
    }

    private void createTopic(JsonNode request, ObjectNode answer) throws Exception {
        String name = request.get("topic").asText();
        NewTopic topic;
        if (request.hasNonNull("assignment")) {
            Map<Integer, List<Integer>> assignment = new TreeMap<>();
            for (JsonNode replicas : request.get("assignment")) {
                assignment.put(assignment.size(), ints(replicas));
            }
            topic = new NewTopic(name, assignment);
        } else {
            int partitions = request.get("partitions").asInt();
            topic = new NewTopic(name, partitions, (short) request.get("replicas").asInt());
        }
        admin.createTopics(List.of(topic.configs(strings(request.get("configs"))))).all().get();
        awaitLeaders(name);
        answer.put("topic_id", describe(name).topicId().toString());
    }

    /** A created topic is usable when every partition has a leader that answers for it. */
    private void awaitLeaders(String name) throws Exception {
        long deadline = System.currentTimeMillis() + WAIT_MS;
        while (true) {
            try {
                Map<TopicPartition, OffsetSpec> specs = new HashMap<>();
                for (TopicPartitionInfo partition : describe(name).partitions()) {
                    specs.put(new TopicPartition(name, partition.partition()), OffsetSpec.latest());
                }
                admin.listOffsets(specs).all().get();
                return;
            } catch (ExecutionException error) {
                if (System.currentTimeMillis() > deadline) {
                    throw error;
                }
            }
            Thread.sleep(20);
        }
    }

    private void deleteTopic(JsonNode request) throws Exception {
        String name = request.get("topic").asText();
        admin.deleteTopics(List.of(name)).all().get();
        long deadline = System.currentTimeMillis() + WAIT_MS;
        while (admin.listTopics().names().get().contains(name)) {
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("topic " + name + " is still listed");
            }
            Thread.sleep(20);
        }
    }

    private void listTopics(ObjectNode answer) throws Exception {
        ObjectNode topics = answer.putObject("topics");
        for (var listing : admin.listTopics().listings().get()) {
            topics.put(listing.name(), listing.topicId().toString());
        }
    }

    private TopicDescription describe(String name) throws Exception {
        return admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
    }

    private void describeTopic(JsonNode request, ObjectNode answer) throws Exception {
        String name = request.get("topic").asText();
        TopicDescription topic = describe(name);
        Map<TopicPartition, OffsetSpec> first = new HashMap<>();
        Map<TopicPartition, OffsetSpec> last = new HashMap<>();
        for (TopicPartitionInfo info : topic.partitions()) {
            if (isLed(info)) {
                first.put(new TopicPartition(name, info.partition()), OffsetSpec.earliest());
                last.put(new TopicPartition(name, info.partition()), OffsetSpec.latest());
            }
        }
        var earliest = admin.listOffsets(first).all().get();
        var latest = admin.listOffsets(last).all().get();
        var stable = admin.listOffsets(
            last, new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all().get();
        answer.put("topic_id", topic.topicId().toString());
        ArrayNode partitions = answer.putArray("partitions");
        for (TopicPartitionInfo info : topic.partitions()) {
            TopicPartition partition = new TopicPartition(name, info.partition());
            ObjectNode out = partitions.addObject();
            out.put("partition", info.partition());
            out.put("leader", isLed(info) ? info.leader().id() : -1);
            ArrayNode replicas = out.putArray("replicas");
            info.replicas().forEach(node -> replicas.add(node.id()));
            ArrayNode inSync = out.putArray("in_sync");
            info.isr().forEach(node -> inSync.add(node.id()));
            out.put("log_start", offset(earliest.get(partition)));
            out.put("high_watermark", offset(latest.get(partition)));
            out.put("last_stable", offset(stable.get(partition)));
            out.put("leader_epoch", epoch(latest.get(partition)));
        }
    }

    private static boolean isLed(TopicPartitionInfo info) {
        return info.leader() != null && !info.leader().isEmpty();
    }

    private static long offset(ListOffsetsResultInfo found) {
        return found == null ? -1 : found.offset();
    }

    private static int epoch(ListOffsetsResultInfo found) {
        return found == null ? -1 : found.leaderEpoch().orElse(-1);
    }

    private void topicConfigs(JsonNode request, ObjectNode answer) throws Exception {
        ConfigResource resource =
            new ConfigResource(ConfigResource.Type.TOPIC, request.get("topic").asText());
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        ObjectNode configs = answer.putObject("configs");
        for (ConfigEntry entry : config.entries()) {
            if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                configs.put(entry.name(), entry.value());
            }
        }
    }

    private void addPartitions(JsonNode request) throws Exception {
        String name = request.get("topic").asText();
        NewPartitions total = NewPartitions.increaseTo(request.get("total").asInt());
        admin.createPartitions(Map.of(name, total)).all().get();
        awaitLeaders(name);
    }

    private void alterConfigs(JsonNode request) throws Exception {
        ConfigResource.Type type = ConfigResource.Type.valueOf(request.get("kind").asText());
        ConfigResource resource = new ConfigResource(type, request.get("name").asText());
        Collection<AlterConfigOp> changes = new ArrayList<>();
        request.get("configs").fields().forEachRemaining(change -> {
            JsonNode value = change.getValue();
            AlterConfigOp.OpType what =
                value.isNull() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
            String text = value.isNull() ? null : value.asText();
            changes.add(new AlterConfigOp(new ConfigEntry(change.getKey(), text), what));
        });
        admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
    }

    private void deleteRecords(JsonNode request, ObjectNode answer) throws Exception {
        TopicPartition partition = partition(request);
        RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
        var outcome = admin.deleteRecords(Map.of(partition, before)).lowWatermarks();
        answer.put("log_start", outcome.get(partition).get().lowWatermark());
    }

    private void electLeader(JsonNode request) throws Exception {
        ElectionType type =
            request.get("unclean").asBoolean() ? ElectionType.UNCLEAN : ElectionType.PREFERRED;
        TopicPartition partition = partition(request);
        var outcome = admin.electLeaders(type, Set.of(partition)).partitions().get();
        Optional<Throwable> failure = outcome.getOrDefault(partition, Optional.empty());
        if (failure.isPresent()) {
            throw new ExecutionException(failure.get());
        }
    }

    private void reassign(JsonNode request) throws Exception {
        TopicPartition partition = partition(request);
        NewPartitionReassignment target =
            new NewPartitionReassignment(ints(request.get("replicas")));
        admin.alterPartitionReassignments(Map.of(partition, Optional.of(target))).all().get();
        long deadline = System.currentTimeMillis() + WAIT_MS;
        Set<TopicPartition> moving = Set.of(partition);
        while (!admin.listPartitionReassignments(moving).reassignments().get().isEmpty()) {
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("reassignment of " + partition + " does not end");
            }
            Thread.sleep(50);
        }
    }

    private void produce(JsonNode request, ObjectNode answer) throws Exception {
        String outcome = request.get("outcome").asText();
        boolean transactional = !outcome.equals("none");
        String name = request.hasNonNull("producer") ? request.get("producer").asText() : null;
        KafkaProducer<byte[], byte[]> producer = name == null ? null : producers.get(name);
        if (producer == null) {
            producer = newProducer(request, transactional ? name : null);
            if (name != null) {
                producers.put(name, producer);
            }
        }
        if (transactional && openTransactions.add(name)) {
            producer.beginTransaction();
        }
        send(producer, request, answer);
        if (outcome.equals("commit")) {
            producer.commitTransaction();
            openTransactions.remove(name);
        } else if (outcome.equals("abort")) {
            producer.abortTransaction();
            openTransactions.remove(name);
        }
        if (name == null) {
            producer.close();
        }
    }

    private KafkaProducer<byte[], byte[]> newProducer(JsonNode request, String transactionalId) {
        Properties config = access.config();
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        config.put("compression.type", request.get("codec").asText());
        config.put("acks", request.get("acks").asText());
        config.put("enable.idempotence", request.get("idempotent").asBoolean());
        config.put("linger.ms", "5");
        config.put("batch.size", request.get("batch_bytes").asText());
        config.put("max.request.size", "67108864");
        config.put("buffer.memory", "134217728");
        config.put("delivery.timeout.ms", "60000");
        config.put("request.timeout.ms", "10000");
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
            // An open transaction must outlast the test, not be aborted by the coordinator.
            config.put("transaction.timeout.ms", "900000");
        }
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config);
        if (transactionalId != null) {
            producer.initTransactions();
        }
        return producer;
    }

    private void send(KafkaProducer<byte[], byte[]> producer, JsonNode request, ObjectNode answer)
        throws Exception {
        TopicPartition partition = partition(request);
        long first = request.get("first").asLong();
        long count = request.get("count").asLong();
        long perBatch = request.get("records_per_batch").asLong();
        long timestamp = request.hasNonNull("timestamp")
            ? request.get("timestamp").asLong() : System.currentTimeMillis();
        AtomicReference<Exception> failure = new AtomicReference<>();
        Future<RecordMetadata> firstSent = null;
        Future<RecordMetadata> lastSent = null;
        for (long index = first; index < first + count; index++) {
            lastSent = producer.send(record(partition, index, timestamp, request), (m, error) -> {
                if (error != null) {
                    failure.compareAndSet(null, error);
                }
            });
            firstSent = firstSent == null ? lastSent : firstSent;
            if (perBatch > 0 && (index - first + 1) % perBatch == 0) {
                producer.flush();
            }
        }
        producer.flush();
        if (failure.get() != null) {
            throw failure.get();
        }
        answer.put("first_offset", firstSent == null ? -1 : firstSent.get().offset());
        answer.put("last_offset", lastSent == null ? -1 : lastSent.get().offset());
    }

    private static ProducerRecord<byte[], byte[]> record(
        TopicPartition partition, long index, long timestamp, JsonNode request) {
        long keys = request.get("key_count").asLong();
        long tombstoneEvery = request.get("tombstone_every").asLong();
        String key = "key-" + (keys > 0 ? index % keys : index);
        boolean tombstone = tombstoneEvery > 0 && index % tombstoneEvery == tombstoneEvery - 1;
        byte[] value = tombstone ? null : value(index, request.get("value_bytes").asInt());
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
            partition.topic(), partition.partition(), timestamp + index,
            key.getBytes(StandardCharsets.UTF_8), value);
        if (index % 5 == 0) {
            record.headers().add("index", Long.toString(index).getBytes(StandardCharsets.UTF_8));
        }
        return record;
    }

    /** Bytes that depend on the index only, of four bits each, so that every codec gains. */
    private static byte[] value(long index, int length) {
        byte[] value = new byte[length];
        long state = index * 0x9E3779B97F4A7C15L + 0x2545F4914F6CDD1DL;
        for (int i = 0; i < length; i++) {
            state ^= state << 13;
            state ^= state >>> 7;
            state ^= state << 17;
            value[i] = (byte) ('a' + (state & 15));
        }
        return value;
    }

    private void endTransaction(JsonNode request) {
        String name = request.get("producer").asText();
        if (!openTransactions.remove(name)) {
            throw new IllegalStateException("producer " + name + " has no open transaction");
        }
        if (request.get("commit").asBoolean()) {
            producers.get(name).commitTransaction();
        } else {
            producers.get(name).abortTransaction();
        }
    }

    private void ongoingTransactions(ObjectNode answer) throws Exception {
        ListTransactionsOptions ongoing =
            new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING));
        ArrayNode ids = answer.putArray("transactional_ids");
        admin.listTransactions(ongoing).all().get().stream()
            .map(TransactionListing::transactionalId).sorted().forEach(ids::add);
    }

    private void closeProducer(JsonNode request) {
        String name = request.get("producer").asText();
        openTransactions.remove(name);
        producers.remove(name).close();
    }

    private void commitGroup(JsonNode request) throws Exception {
        OffsetAndMetadata offset = new OffsetAndMetadata(request.get("offset").asLong());
        admin.alterConsumerGroupOffsets(
            request.get("group").asText(), Map.of(partition(request), offset)).all().get();
    }

    private void groupOffsets(JsonNode request, ObjectNode answer) throws Exception {
        ObjectNode offsets = answer.putObject("offsets");
        admin.listConsumerGroupOffsets(request.get("group").asText())
            .partitionsToOffsetAndMetadata().get()
            .forEach((partition, offset) -> offsets.put(partition.toString(), offset.offset()));
    }

    static TopicPartition partition(JsonNode request) {
        return new TopicPartition(
            request.get("topic").asText(), request.get("partition").asInt());
    }

    private static List<Integer> ints(JsonNode array) {
        List<Integer> values = new ArrayList<>();
        array.forEach(value -> values.add(value.asInt()));
        return values;
    }

    private static Map<String, String> strings(JsonNode object) {
        Map<String, String> values = new HashMap<>();
        object.fieldNames().forEachRemaining(name -> values.put(name, object.get(name).asText()));
        return values;
    }
}
