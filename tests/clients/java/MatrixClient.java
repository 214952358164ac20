import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Kafka's own client in the client matrix: one JSON object per line in, one per line out.
 *
 * <p>What the requests and answers are is in ../README.md.
 */
public final class MatrixClient {
    static final ObjectMapper JSON = new ObjectMapper();
    static final long WAIT_MS = 30_000;

    private final String bootstrap;
    private final Consuming consuming;

    private MatrixClient(String bootstrap) {
        this.bootstrap = bootstrap;
        this.consuming = new Consuming(bootstrap);
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        MatrixClient client = new MatrixClient(args[0]);
        BufferedReader requests =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(JSON.writeValueAsString(client.answer(line)));
            answers.flush();
        }
    }

    private ObjectNode answer(String line) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            answer.put("ok", true);
            perform(JSON.readTree(line), answer);
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
        switch (request.get("action").asText()) {
            case "about" -> about(answer);
            case "list" -> list(answer);
            case "group_types" -> groupTypes(answer);
            case "consume" -> consuming.consume(request, answer);
            case "group" -> consuming.group(request, answer);
            case "share" -> consuming.share(request, answer);
            case "produce" -> produce(request, answer);
            default -> throw new IllegalArgumentException("unknown action");
        }
    }

    private void about(ObjectNode answer) {
        answer.putObject("versions").put("kafka-clients", AppInfoParser.getVersion());
        ArrayNode codecs = answer.putArray("codecs");
        List.of("none", "gzip", "snappy", "lz4", "zstd").forEach(codecs::add);
        answer.putArray("group_protocols").add("classic").add("consumer");
    }

    private Admin admin() {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        return Admin.create(config);
    }

    private void list(ObjectNode answer) throws Exception {
        ObjectNode topics = answer.putObject("topics");
        try (Admin admin = admin()) {
            ListTopicsOptions all = new ListTopicsOptions().listInternal(true);
            var names = admin.listTopics(all).names().get();
            admin.describeTopics(names).allTopicNames().get()
                .forEach((name, topic) -> topics.put(name, topic.partitions().size()));
        }
    }

    /** Of every group, members or not: whether a client really used the protocol asked of it. */
    private void groupTypes(ObjectNode answer) throws Exception {
        ObjectNode types = answer.putObject("types");
        try (Admin admin = admin()) {
            for (var group : admin.listGroups().all().get()) {
                String type = group.type().map(one -> one.toString().toLowerCase()).orElse("?");
                types.put(group.groupId(), type);
            }
        }
    }

    private void produce(JsonNode request, ObjectNode answer) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        config.put("acks", request.get("acks").asText());
        config.put("compression.type", request.get("codec").asText());
        config.put("enable.idempotence", request.get("idempotent").asBoolean());
        config.put("linger.ms", "5");
        config.put("delivery.timeout.ms", "20000");
        config.put("request.timeout.ms", "10000");
        config.put("max.block.ms", "20000");
        List<Long> offsets = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int index = 0; index < request.get("count").asInt(); index++) {
                byte[] key = ("key-" + index).getBytes(StandardCharsets.UTF_8);
                byte[] value = (request.get("prefix").asText() + index)
                    .getBytes(StandardCharsets.UTF_8);
                sent.add(producer.send(new ProducerRecord<>(request.get("topic").asText(),
                    request.get("partition").asInt(), key, value)));
            }
            for (Future<RecordMetadata> one : sent) {
                RecordMetadata where = one.get();
                offsets.add(where.hasOffset() ? where.offset() : null);
            }
        } catch (ExecutionException failure) {
            if (!(failure.getCause() instanceof ApiException)) {
                throw failure;
            }
            Errors error = Errors.forException(failure.getCause());
            answer.putObject("refused").put("name", error.name()).put("code", error.code());
            return;
        }
        ArrayNode told = answer.putArray("offsets");
        offsets.forEach(told::add);
    }

    static Map<String, Object> consumerConfig(String bootstrap) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        return config;
    }
}
