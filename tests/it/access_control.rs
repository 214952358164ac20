//! Access control lists: a node decides as a stock broker does, keeps them, and hands them over.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::server_properties::ServerProperties;
use harness::{
    ClusterOptions, Driver, KafkaCluster, KafkaRelease, MirrorNode, hand_over, run_tool,
};

use crate::mirrored::SOON;
use crate::raw_client::RawClient;
use rules::{
    ALL, ALTER, ALTER_CONFIGS, CLUSTER, CLUSTER_ACTION, CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS,
    GROUP, IDEMPOTENT_WRITE, READ, Rule, THE_CLUSTER, TOPIC, TRANSACTIONAL_ID, WRITE, allow,
};

mod probes;
pub(crate) mod rules;

/// Everybody comes from this address who may do everything, and is asked from that one.
const ADMIN_HOST: &str = "127.0.0.1";
const CLIENT_HOST: &str = "127.0.0.2";

/// With these a broker decides, and lets everybody make the first rules.
fn guarded_cluster() -> ClusterOptions {
    ClusterOptions::default()
        .config("authorizer.class.name", AUTHORIZER)
        .config("allow.everyone.if.no.acl.found", "true")
}

/// The same of a node.
const GUARDED_NODE: &str = "authorizer = \"acl\"\nallow_everyone_if_no_acl_found = true";
const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// Who comes from the one address may do everything; nobody else may do anything.
const BASE: [Rule; 4] = [
    allow(ALL, CLUSTER, THE_CLUSTER).coming_from(ADMIN_HOST),
    allow(ALL, TOPIC, "*").coming_from(ADMIN_HOST),
    allow(ALL, GROUP, "*").coming_from(ADMIN_HOST),
    allow(ALL, TRANSACTIONAL_ID, "*").coming_from(ADMIN_HOST),
];

/// Each is compared on its own.
const RULES: &[(&str, &[Rule])] = &[
    ("none", &[]),
    ("read one", &[allow(READ, TOPIC, "orders")]),
    ("write one", &[allow(WRITE, TOPIC, "orders")]),
    ("describe all", &[allow(DESCRIBE, TOPIC, "*")]),
    ("all of some", &[allow(ALL, TOPIC, "orders").prefixed()]),
    ("all but one", &[allow(ALL, TOPIC, "*"), allow(ALL, TOPIC, "orders").denied()]),
    (
        "prefixed and denied",
        &[allow(READ, TOPIC, "or").prefixed(), allow(READ, TOPIC, "orders-").prefixed().denied()],
    ),
    ("denied describe", &[allow(READ, TOPIC, "*"), allow(DESCRIBE, TOPIC, "notes").denied()]),
    ("from here", &[allow(READ, TOPIC, "orders").coming_from(CLIENT_HOST)]),
    ("from elsewhere", &[allow(READ, TOPIC, "orders").coming_from("127.0.0.3")]),
    (
        "denied elsewhere",
        &[allow(ALL, TOPIC, "*"), allow(ALL, TOPIC, "*").denied().coming_from("127.0.0.3")],
    ),
    ("everybody", &[allow(READ, TOPIC, "orders").to("User:*")]),
    ("somebody else", &[allow(READ, TOPIC, "orders").to("User:ada")]),
    ("no user", &[allow(READ, TOPIC, "orders").to("Group:ANONYMOUS")]),
    (
        "make and delete",
        &[allow(CREATE, TOPIC, "orders").prefixed(), allow(DELETE, TOPIC, "orders").prefixed()],
    ),
    ("make anything", &[allow(CREATE, CLUSTER, THE_CLUSTER)]),
    (
        "settings",
        &[allow(ALTER_CONFIGS, TOPIC, "orders"), allow(DESCRIBE_CONFIGS, CLUSTER, THE_CLUSTER)],
    ),
    (
        "make and be told",
        &[allow(CREATE, TOPIC, "*"), allow(DESCRIBE_CONFIGS, TOPIC, "orders").prefixed()],
    ),
    ("alter topics", &[allow(ALTER, TOPIC, "*")]),
    ("read groups", &[allow(READ, GROUP, "ours"), allow(READ, TOPIC, "orders")]),
    ("describe groups", &[allow(DESCRIBE, GROUP, "*")]),
    ("see offsets", &[allow(DESCRIBE, GROUP, "warm"), allow(DESCRIBE, TOPIC, "orders")]),
    ("delete groups", &[allow(DELETE, GROUP, "*"), allow(READ, TOPIC, "notes")]),
    ("describe the cluster", &[allow(DESCRIBE, CLUSTER, THE_CLUSTER)]),
    ("alter the cluster", &[allow(ALTER, CLUSTER, THE_CLUSTER)]),
    ("idempotence", &[allow(IDEMPOTENT_WRITE, CLUSTER, THE_CLUSTER)]),
    ("a broker", &[allow(CLUSTER_ACTION, CLUSTER, THE_CLUSTER)]),
    (
        "write, but not this",
        &[allow(WRITE, TOPIC, "notes"), allow(WRITE, TOPIC, "no").prefixed().denied()],
    ),
    ("transactions", &[allow(DESCRIBE, TRANSACTIONAL_ID, "ours")]),
    (
        "everything",
        &[allow(ALL, TOPIC, "*"), allow(ALL, GROUP, "*"), allow(ALL, CLUSTER, THE_CLUSTER)],
    ),
];

#[test]
fn a_node_decides_as_a_stock_broker_does() -> Result<()> {
    let name = "a_node_decides_as_a_stock_broker_does";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let stock = kafka.start(KafkaRelease::V4, guarded_cluster())?;
    let node = MirrorNode::start_with(stock.driver(), GUARDED_NODE)?;
    for driver in [stock.driver(), node.driver()] {
        fill(driver)?;
    }
    let (stock, node) =
        (Asked::connect(&stock.bootstrap_servers())?, Asked::connect(node.address())?);
    let (mut stock, mut node) = (stock, node);
    let mut differences = Vec::new();
    for (what, rules) in RULES {
        for server in [&mut stock, &mut node] {
            rules::create(&mut server.admin, rules)?;
        }
        let told = probes::ask_all(&mut node.client).context(*what)?;
        let expected = settled(&mut stock, &told).context(*what)?;
        differences
            .extend(differences_between(&expected, &told).map(|line| format!("{what}: {line}")));
        for server in [&mut stock, &mut node] {
            ensure!(rules::delete(&mut server.admin, rules)? == rules.len(), "{what}");
        }
        // A broker that tells something else is waited for, each time.
        if differences.len() > DIFFERENCES_TOLD {
            break;
        }
    }
    ensure!(differences.is_empty(), "{differences:#?}");
    Ok(())
}

/// Topics and a group, made while everybody may; then nobody may from elsewhere.
fn fill(driver: &Driver) -> Result<()> {
    for topic in ["orders", "orders-eu", "notes"] {
        driver.create_topic(&CreateTopic::new(topic, 1))?;
    }
    driver.produce(&Produce::new("orders", 0, 5))?;
    driver.commit_group("warm", "orders", 0, 3)
}

/// A server, and two who ask it.
struct Asked {
    admin: RawClient,
    client: RawClient,
}

impl Asked {
    fn connect(address: &str) -> Result<Self> {
        let mut admin = RawClient::connect(address)?;
        rules::create(&mut admin, &BASE)?;
        Ok(Self { admin, client: RawClient::connect_from(CLIENT_HOST, address)? })
    }
}

/// What a stock broker tells once it tells the same, or for too long something else: rules take
/// their time there until all parts of it have them.
fn settled(stock: &mut Asked, expected: &[String]) -> Result<Vec<String>> {
    let deadline = Instant::now() + SOON;
    loop {
        let told = probes::ask_all(&mut stock.client)?;
        if told == expected || Instant::now() > deadline {
            return Ok(told);
        }
        thread::sleep(PAUSE);
    }
}

fn differences_between<'a>(
    stock: &'a [String],
    node: &'a [String],
) -> impl Iterator<Item = String> + use<'a> {
    let only = |one: &'a [String], other: &'a [String], sign: char| {
        let other: BTreeSet<_> = other.iter().collect();
        one.iter()
            .filter(move |line| !other.contains(line))
            .map(move |line| format!("{sign} {line}"))
    };
    only(stock, node, '-').chain(only(node, stock, '+'))
}

#[test]
fn kafkas_tool_makes_lists_and_removes_rules_as_on_a_stock_broker() -> Result<()> {
    let name = "kafkas_tool_makes_lists_and_removes_rules_as_on_a_stock_broker";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let stock = kafka.start(KafkaRelease::V4, guarded_cluster())?;
    let mut node = MirrorNode::start_with(stock.driver(), GUARDED_NODE)?;
    for call in [
        "--list",
        "--add --allow-principal User:ada --operation Read --topic orders",
        "--add --allow-principal User:ada --operation Read --topic orders",
        "--add --deny-principal User:bob --deny-host 10.0.0.7 --operation All --topic orders",
        "--add --allow-principal User:ada --producer --topic pay --resource-pattern-type prefixed",
        "--add --allow-principal User:ada --consumer --topic orders --group ours",
        // The broker itself is nobody as well.
        "--add --allow-principal User:ANONYMOUS --operation All --cluster",
        "--add --allow-principal User:* --operation Alter --cluster",
        "--add --allow-principal User:eve --operation Describe --transactional-id *",
        "--add --allow-principal User:eve --operation CreateTokens --user-principal User:ada",
        "--list",
        "--list --topic orders",
        "--list --topic payments --resource-pattern-type match",
        "--list --principal User:eve",
        "--remove --force --allow-principal User:ada --operation Read --topic orders",
        "--remove --force --topic pay --resource-pattern-type prefixed",
        "--remove --force --group none",
        "--list",
    ] {
        let told = acls(node.address(), call)?;
        let deadline = Instant::now() + SOON;
        let mut expected = acls(&stock.bootstrap_servers(), call)?;
        while expected != told && Instant::now() < deadline {
            expected = acls(&stock.bootstrap_servers(), call)?;
        }
        ensure!(told == expected, "{call}: {told:#?} instead of {expected:#?}");
    }
    let before = acls(node.address(), "--list")?;
    ensure!(before.len() > 5, "{before:?}");
    node.kill()?;
    node.start_again()?;
    ensure!(acls(node.address(), "--list")? == before, "rules outlive the process");
    Ok(())
}

/// What Kafka's own tool prints, the same for the same rules: their order is that of a hash.
fn acls(address: &str, call: &str) -> Result<Vec<String>> {
    let args = ["--bootstrap-server", address].into_iter().chain(call.split(' '));
    let printed = run_tool(KafkaRelease::V4, ACL_COMMAND, &args.collect::<Vec<_>>())?;
    let mut lines: Vec<_> = printed
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn a_stock_broker_has_the_rules_of_the_directory_it_is_given() -> Result<()> {
    let name = "a_stock_broker_has_the_rules_of_the_directory_it_is_given";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let directory = harness::TempDir::new("driver")?;
    let driver = Driver::start(KafkaRelease::V4, "127.0.0.1:1", directory.path())?;
    let mut node = MirrorNode::start_with(&driver, GUARDED_NODE)?;
    node.driver().create_topic(&CreateTopic::new("orders", 1))?;
    let mut client = RawClient::connect(node.address())?;
    let mirror = Rule { resource: CLUSTER_MIRROR, ..allow(ALL, TOPIC, "from-a") };
    rules::create(&mut client, &BASE)?;
    rules::create(&mut client, &[mirror])?;
    rules::create(&mut client, &[allow(READ, TOPIC, "or").prefixed().to("User:ada").denied()])?;
    rules::delete(&mut client, &[mirror])?;
    let expected = rules::list(&mut client)?;
    ensure!(expected.len() == 5, "{expected:?}");
    rules::create(&mut client, &[mirror])?;
    node.stop()?;

    let path = hand_over(&node.data_dir(), NODE, "4.3")?;
    let mut properties = ServerProperties::read(&path)?;
    properties.set("authorizer.class.name", AUTHORIZER);
    properties.set("super.users", "User:ANONYMOUS");
    properties.write(&path)?;
    let broker: KafkaCluster = kafka.start_on_directory(KafkaRelease::V4, &path)?;
    let found = rules::list(&mut RawClient::connect(&broker.bootstrap_servers())?)?;
    ensure!(found == expected, "{found:#?} instead of {expected:#?}");
    let listed = acls(&broker.bootstrap_servers(), "--list --principal User:ada")?;
    ensure!(listed.iter().any(|line| line.contains("permissionType=DENY")), "{listed:?}");
    Ok(())
}

/// When there are so many, no others are looked for.
const DIFFERENCES_TOLD: usize = 3;
const ACL_COMMAND: &str = "org.apache.kafka.tools.AclCommand";
const CLUSTER_MIRROR: i8 = 8;
const NODE: i32 = 7;
const PAUSE: Duration = Duration::from_millis(100);
