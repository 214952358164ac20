import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Access control lists, by the enum names of Kafka's own classes. */
final class Acls {
    private Acls() {}

    static void create(Admin admin, JsonNode request) throws Exception {
        List<AclBinding> wanted = bindings(request);
        admin.createAcls(wanted).all().get();
        await(admin, found -> found.containsAll(wanted), wanted);
    }

    static void delete(Admin admin, JsonNode request) throws Exception {
        List<AclBinding> unwanted = bindings(request);
        List<AclBindingFilter> filters = unwanted.stream().map(AclBinding::toFilter).toList();
        admin.deleteAcls(filters).all().get();
        await(admin, found -> unwanted.stream().noneMatch(found::contains), unwanted);
    }

    static void list(Admin admin, ObjectNode answer) throws Exception {
        ArrayNode out = answer.putArray("acls");
        for (AclBinding one : admin.describeAcls(AclBindingFilter.ANY).values().get()) {
            out.addObject()
                .put("resource", one.pattern().resourceType().name())
                .put("name", one.pattern().name())
                .put("pattern", one.pattern().patternType().name())
                .put("principal", one.entry().principal())
                .put("host", one.entry().host())
                .put("operation", one.entry().operation().name())
                .put("permission", one.entry().permissionType().name());
        }
    }

    private interface Sight {
        boolean isIt(Set<AclBinding> found);
    }

    /** The controller has a change before the broker that clients ask does. */
    private static void await(Admin admin, Sight sight, Object what) throws Exception {
        long deadline = System.currentTimeMillis() + Driver.WAIT_MS;
        while (true) {
            Collection<AclBinding> found = admin.describeAcls(AclBindingFilter.ANY).values().get();
            if (sight.isIt(new HashSet<>(found))) {
                return;
            }
            if (System.currentTimeMillis() > deadline) {
                throw new IllegalStateException("the broker does not follow " + what);
            }
            Thread.sleep(20);
        }
    }

    private static List<AclBinding> bindings(JsonNode request) {
        List<AclBinding> bindings = new ArrayList<>();
        for (JsonNode one : request.get("acls")) {
            bindings.add(new AclBinding(
                new ResourcePattern(
                    ResourceType.valueOf(one.get("resource").asText()),
                    one.get("name").asText(),
                    PatternType.valueOf(one.get("pattern").asText())),
                new AccessControlEntry(
                    one.get("principal").asText(),
                    one.get("host").asText(),
                    AclOperation.valueOf(one.get("operation").asText()),
                    AclPermissionType.valueOf(one.get("permission").asText()))));
        }
        return bindings;
    }
}
