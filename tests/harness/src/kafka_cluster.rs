//! A KRaft cluster of real brokers on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::authorizer;
use crate::cluster_plan::{self, HOST, Ports, properties_path};
use crate::driver::Driver;
use crate::java_process::{JavaLaunch, JavaProcess, Lifetime};
use crate::kafka::Kafka;
use crate::kafka_jars;
use crate::kafka_release::KafkaRelease;
use crate::server_properties::{ServerProperties, free_ports, random_id};
use crate::temp_dir::TempDir;

/// What kind of cluster to start. `Default` is one node that is broker and controller.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Number of brokers; their node ids are 1, 2, ...
    pub brokers: i32,
    /// Whether node [`CONTROLLER_ID`] is a controller of its own, so that every broker can be
    /// stopped while the others go on. Otherwise broker 1 is the controller too.
    pub separate_controller: bool,
    /// Whether brokers have an authorizer and a listener where users are told apart.
    pub authorizer: bool,
    /// Broker configuration on top of the small defaults of the harness.
    pub configs: Vec<(String, String)>,
    /// Where to put it; a temporary directory by default.
    pub directory: Option<PathBuf>,
    /// Whether it stays when this process ends.
    pub lifetime: Lifetime,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            brokers: 1,
            separate_controller: false,
            authorizer: false,
            configs: Vec::new(),
            directory: None,
            lifetime: Lifetime::TiedToUs,
        }
    }
}

impl ClusterOptions {
    /// `count` brokers.
    #[must_use]
    pub fn brokers(count: i32) -> Self {
        Self { brokers: count, ..Self::default() }
    }

    /// Adds a broker configuration.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.configs.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Adds a controller of its own.
    #[must_use]
    pub fn with_separate_controller(mut self) -> Self {
        self.separate_controller = true;
        self
    }

    /// Has brokers ask what clients may do; see [`crate::authorizer`]. The cluster's driver is the
    /// super user's.
    #[must_use]
    pub fn with_authorizer(mut self) -> Self {
        self.authorizer = true;
        self
    }
}

/// A running cluster; its processes end and its directory goes when it is dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    release: KafkaRelease,
    // Order of drop: the driver's connections, then the brokers, then their directory.
    driver: Driver,
    nodes: BTreeMap<i32, Node>,
    work_dir: PathBuf,
    lifetime: Lifetime,
    _temp_dir: Option<TempDir>,
    _kafka: Kafka,
}

/// One process of a cluster.
#[derive(Debug)]
struct Node {
    properties: ServerProperties,
    process: Option<JavaProcess>,
    port: u16,
    /// Where users are told apart, when there is an authorizer.
    user_port: Option<u16>,
}

impl Node {
    fn is_broker(&self) -> bool {
        self.properties.get("process.roles").is_none_or(|roles| roles.contains("broker"))
    }
}

impl KafkaCluster {
    /// See [`Kafka::start`].
    pub(crate) fn start(
        kafka: &Kafka,
        release: KafkaRelease,
        options: ClusterOptions,
    ) -> Result<Self> {
        ensure!(options.brokers >= 1, "a cluster needs a broker, {} asked for", options.brokers);
        let (work_dir, temp_dir) = work_dir(options.directory.clone())?;
        let cluster_id = random_id()?;
        let mut nodes = BTreeMap::new();
        for planned in cluster_plan::plan_nodes(&options, &work_dir)? {
            planned.format(release, &work_dir, &cluster_id)?;
            let cluster_plan::PlannedNode { id, port, user_port, properties } = planned;
            nodes.insert(id, Node { properties, process: None, port, user_port });
        }
        Self::launch(kafka, release, nodes, (work_dir, temp_dir), options.lifetime)
    }

    /// See [`Kafka::start_on_directory`].
    pub(crate) fn start_on(
        kafka: &Kafka,
        release: KafkaRelease,
        mut properties: ServerProperties,
        has_authorizer: bool,
    ) -> Result<Self> {
        let id: i32 =
            properties.get("node.id").context("server.properties: no node.id")?.parse()?;
        let free = free_ports(3)?;
        let user_port = has_authorizer.then_some(free[2]);
        let ports = Ports { broker: free[0], controller: free[1], users: user_port };
        cluster_plan::set_listeners(&mut properties, "broker,controller", ports);
        let users = user_port.map(|port| format!(",{}://{HOST}:{port}", authorizer::USERS));
        let advertised = format!("PLAINTEXT://{HOST}:{}{}", free[0], users.unwrap_or_default());
        properties.set("advertised.listeners", advertised);
        properties.set("controller.quorum.voters", format!("{id}@{HOST}:{}", free[1]));
        let node = Node { properties, process: None, port: free[0], user_port };
        let place = work_dir(None)?;
        Self::launch(kafka, release, BTreeMap::from([(id, node)]), place, Lifetime::TiedToUs)
    }

    fn launch(
        kafka: &Kafka,
        release: KafkaRelease,
        mut nodes: BTreeMap<i32, Node>,
        (work_dir, temp_dir): (PathBuf, Option<TempDir>),
        lifetime: Lifetime,
    ) -> Result<Self> {
        for (id, node) in &mut nodes {
            node.process = Some(start_node(release, &work_dir, *id, &node.properties, lifetime)?);
        }
        let driver = match user_servers(&nodes) {
            Some(users) => Driver::start(release, &users, &work_dir)?.as_user(authorizer::ADMIN),
            None => Driver::start(release, &bootstrap_servers(&nodes), &work_dir)?,
        };
        let mut cluster = Self {
            release,
            driver,
            nodes,
            work_dir,
            lifetime,
            _temp_dir: temp_dir,
            _kafka: kafka.clone(),
        };
        let ready = cluster.wait_ready();
        if ready.is_err() {
            // Detached brokers would stay; the error of the wait is the one to tell.
            let _ = cluster.kill();
        }
        ready.map(|()| cluster)
    }

    /// Waits until exactly the running brokers are in the cluster.
    ///
    /// # Errors
    /// When that takes over a minute, with the end of the output of each node.
    pub fn wait_ready(&mut self) -> Result<()> {
        let running = self.running_brokers();
        let Err(error) = self.driver.wait_ready(&running) else { return Ok(()) };
        let mut told = format!("{error:#}");
        for process in self.nodes.values_mut().filter_map(|node| node.process.as_mut()) {
            told.push_str(&format!("\n{:?}\n{}", process.has_ended()?, process.output_tail()));
        }
        bail!("brokers {running:?} of Kafka {} are not ready: {told}", self.release)
    }

    /// The release it runs.
    #[must_use]
    pub fn release(&self) -> KafkaRelease {
        self.release
    }

    /// The clients that drive it.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// `host:port` of every broker, joined by commas, also of stopped ones.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        bootstrap_servers(&self.nodes)
    }

    /// Clients of one user in the driver's process; of a cluster with an authorizer.
    ///
    /// # Errors
    /// When it has none.
    pub fn driver_as(&self, user: &str) -> Result<Driver> {
        let users = user_servers(&self.nodes).context("a cluster without an authorizer")?;
        Ok(self.driver.at(&users).as_user(user))
    }

    /// `host:port` of one broker.
    ///
    /// # Errors
    /// When there is no such broker.
    pub fn broker_address(&self, broker: i32) -> Result<String> {
        let node = self.nodes.get(&broker).with_context(|| format!("no broker {broker}"))?;
        Ok(format!("{HOST}:{}", node.port))
    }

    /// The log directory of a node.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn log_dir(&self, node: i32) -> Result<PathBuf> {
        let node = self.nodes.get(&node).with_context(|| format!("no node {node}"))?;
        Ok(PathBuf::from(node.properties.get("log.dirs").context("no log.dirs")?))
    }

    /// The server.properties of a node.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn properties_path(&self, node: i32) -> Result<PathBuf> {
        ensure!(self.nodes.contains_key(&node), "no node {node}");
        Ok(properties_path(&self.work_dir, node))
    }

    /// What a node has printed so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn output(&self, node: i32) -> Result<String> {
        let path = self.work_dir.join(format!("node-{node}.out"));
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// What a node logged as errors, but that a machine under load was slow.
    ///
    /// # Errors
    /// As [`Self::output`].
    pub fn errors(&self, node: i32) -> Result<Vec<String>> {
        let is_error = |line: &&str| line.contains(" ERROR ") && !line.contains(SLOW_EVENT);
        Ok(self.output(node)?.lines().filter(is_error).map(str::to_owned).collect())
    }

    /// Ids and process ids of the running nodes, the controller included.
    #[must_use]
    pub fn pids(&self) -> Vec<(i32, u32)> {
        let running = |(id, node): (&i32, &Node)| Some((*id, node.process.as_ref()?.pid()));
        self.nodes.iter().filter_map(running).collect()
    }

    fn running_brokers(&self) -> Vec<i32> {
        let up = |node: &Node| node.process.is_some() && node.is_broker();
        self.nodes.iter().filter(|(_, node)| up(node)).map(|(id, _)| *id).collect()
    }

    /// Stops a node cleanly (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it is not running or does not stop.
    pub fn stop_node(&mut self, node: i32) -> Result<()> {
        self.take_process(node)?.stop()
    }

    /// Kills a node (SIGKILL).
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill_node(&mut self, node: i32) -> Result<()> {
        self.take_process(node)?.kill()
    }

    /// Starts a stopped node again on its directory and port; [`Self::wait_ready`] waits for it.
    ///
    /// # Errors
    /// When it is running or java cannot be started.
    pub fn start_node(&mut self, id: i32) -> Result<()> {
        let (release, lifetime) = (self.release, self.lifetime);
        let node = self.nodes.get_mut(&id).with_context(|| format!("no node {id}"))?;
        ensure!(node.process.is_none(), "node {id} is running");
        node.process = Some(start_node(release, &self.work_dir, id, &node.properties, lifetime)?);
        Ok(())
    }

    /// Stops a node cleanly, starts it again and waits until it is back.
    ///
    /// # Errors
    /// As the parts.
    pub fn restart_node(&mut self, node: i32) -> Result<()> {
        self.stop_node(node)?;
        self.start_node(node)?;
        self.wait_ready()
    }

    /// Stops all nodes cleanly, brokers before the controller; the directories stay until drop.
    ///
    /// # Errors
    /// When one does not stop.
    pub fn stop(&mut self) -> Result<()> {
        // Node 1 may be the controller, which the others need for a controlled stop.
        let ids: Vec<i32> = self.nodes.keys().copied().filter(|id| *id < CONTROLLER_ID).collect();
        for id in ids.into_iter().rev().chain([CONTROLLER_ID]) {
            if self.nodes.get(&id).is_some_and(|node| node.process.is_some()) {
                self.stop_node(id)?;
            }
        }
        Ok(())
    }

    /// Kills all nodes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        for node in self.nodes.values_mut() {
            if let Some(mut process) = node.process.take() {
                process.kill()?;
            }
        }
        Ok(())
    }

    fn take_process(&mut self, id: i32) -> Result<JavaProcess> {
        let node = self.nodes.get_mut(&id).with_context(|| format!("no node {id}"))?;
        node.process.take().with_context(|| format!("node {id} is not running"))
    }
}

fn work_dir(given: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(directory) = given {
        fs::create_dir_all(&directory)
            .with_context(|| format!("create {}", directory.display()))?;
        return Ok((directory.canonicalize()?, None));
    }
    let temp_dir = TempDir::new("kafka")?;
    Ok((temp_dir.path().to_owned(), Some(temp_dir)))
}

fn bootstrap_servers(nodes: &BTreeMap<i32, Node>) -> String {
    let brokers = nodes.values().filter(|node| node.is_broker());
    let addresses: Vec<String> = brokers.map(|node| format!("{HOST}:{}", node.port)).collect();
    addresses.join(",")
}

/// The listeners of users of every broker; `None` without an authorizer.
fn user_servers(nodes: &BTreeMap<i32, Node>) -> Option<String> {
    let brokers = nodes.values().filter(|node| node.is_broker());
    let ports: Option<Vec<u16>> = brokers.map(|node| node.user_port).collect();
    let addresses = ports?.into_iter().map(|port| format!("{HOST}:{port}"));
    Some(addresses.collect::<Vec<_>>().join(","))
}

fn start_node(
    release: KafkaRelease,
    work_dir: &Path,
    id: i32,
    properties: &ServerProperties,
    lifetime: Lifetime,
) -> Result<JavaProcess> {
    let path = properties_path(work_dir, id);
    properties.write(&path)?;
    JavaProcess::start(&JavaLaunch {
        release,
        class_path: &kafka_jars::class_path(&kafka_jars::fetch(release)?),
        main_class: "kafka.Kafka",
        args: &[path.display().to_string()],
        heap_mib: BROKER_HEAP_MIB,
        work_dir,
        label: &format!("node-{id}"),
        lifetime,
    })
}

/// Node id of the controller when it is a node of its own.
pub const CONTROLLER_ID: i32 = 100;

const BROKER_HEAP_MIB: u32 = 512;
/// Who reports a controller that took long, as an error.
const SLOW_EVENT: &str = "EventPerformanceMonitor";
