import com.fasterxml.jackson.databind.JsonNode;
import java.util.Properties;

/** Which cluster a client talks to, and as whom: nobody, or a user of SASL/PLAIN. */
record Access(String bootstrap, String user) {
    static Access of(JsonNode request, String bootstrap) {
        String at = request.hasNonNull("at") ? request.get("at").asText() : bootstrap;
        return new Access(at, request.hasNonNull("as") ? request.get("as").asText() : null);
    }

    /** What every client of it is configured with. */
    Properties config() {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        if (user != null) {
            config.put("security.protocol", "SASL_PLAINTEXT");
            config.put("sasl.mechanism", "PLAIN");
            config.put("sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=\""
                    + user + "\" password=\"" + user + "-secret\";");
        }
        return config;
    }
}
