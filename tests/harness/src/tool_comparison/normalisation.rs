//! What may differ between two servers that answer alike.

use serde_json::Value;

use super::Server;

/// One thing that must differ, and how it gets the same name on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// `host:port` of the server.
    Address,
    /// The server's node id, where the tools print one.
    NodeId,
    /// The path of the log directory.
    LogDir,
    /// Columns are as wide as what is in them, addresses included.
    ColumnWidth,
    /// The id of a topic created during the comparison.
    NewTopicId,
    /// How long a transaction has been lasting.
    TransactionDuration,
    /// Some tools print JSON in the order of a hash table.
    JsonOrder,
    /// And some their lines.
    LineOrder,
    /// A node that mirrors has the topic of KIP-1279's states, a stock broker has not.
    MirrorStates,
}

impl Normalisation {
    /// What holds for every tool. (The order of records is for the client matrix to judge.)
    pub(super) const ALWAYS: [Self; 7] = [
        Self::MirrorStates,
        Self::Address,
        Self::LogDir,
        Self::ColumnWidth,
        Self::JsonOrder,
        // After the names before ids and the columns around them have one form.
        Self::NodeId,
        Self::LineOrder,
    ];

    /// Applies it to what a tool printed about `server`.
    pub fn apply(self, lines: &mut Vec<String>, server: &Server) {
        match self {
            Self::Address => each(lines, |line| address(line, &server.bootstrap)),
            Self::NodeId => each(lines, |line| node_id(line, server.node_id)),
            Self::LogDir => {
                let path = server.log_dir.display().to_string();
                each(lines, |line| line.replace(&path, "<log dir>"));
            }
            Self::ColumnWidth => {
                each(lines, |line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            Self::NewTopicId => each(lines, topic_id),
            Self::TransactionDuration => column(lines, "TransactionDurationMs"),
            Self::JsonOrder => each(lines, json_order),
            Self::LineOrder => lines.sort(),
            Self::MirrorStates => lines.retain(|line| !line.contains(MIRROR_STATES)),
        }
    }
}

fn each(lines: &mut [String], change: impl Fn(&str) -> String) {
    for line in lines {
        *line = change(line);
    }
}

/// Tools print `host:port`, and Java's form `host/address:port`.
fn address(line: &str, bootstrap: &str) -> String {
    let line = line.replace(bootstrap, "<broker>");
    let Some((host, _port)) = bootstrap.split_once(':') else { return line };
    line.replace(&format!("{host}/<broker>"), "<broker>")
}

fn node_id(line: &str, id: i32) -> String {
    let (id, mut line) = (id.to_string(), line.to_owned());
    for place in NODE_ID_PLACES {
        let known = format!("{place}{id}");
        let Some(at) = line.find(&known) else { continue };
        let rest = &line[at + known.len()..];
        // Node 1 is not the beginning of node 12.
        if !rest.starts_with(|next: char| next.is_ascii_digit()) {
            line = format!("{}{place}<node>{rest}", &line[..at]);
        }
    }
    line
}

/// Names what stands below `name` in a table whose first line has the names of its columns.
fn column(lines: &mut [String], name: &str) {
    let is_header = |line: &String| line.split_whitespace().any(|word| word == name);
    let Some(header) = lines.iter().position(is_header) else { return };
    let place = lines[header].split_whitespace().position(|word| word == name);
    for line in &mut lines[header + 1..] {
        let words = line.split_whitespace().enumerate();
        let named = words.map(|(at, word)| if Some(at) == place { "<duration>" } else { word });
        *line = named.collect::<Vec<_>>().join(" ");
    }
}

/// `TopicId: ` and the word after it.
fn topic_id(line: &str) -> String {
    let Some((begin, rest)) = line.split_once(TOPIC_ID) else { return line.to_owned() };
    let id_bytes = rest.find(char::is_whitespace).unwrap_or(rest.len());
    format!("{begin}{TOPIC_ID}<new>{}", &rest[id_bytes..])
}

/// A line that is a JSON document, with every array in one order.
fn json_order(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(mut document) if document.is_object() => {
            sort_arrays(&mut document);
            document.to_string()
        }
        _ => line.to_owned(),
    }
}

fn sort_arrays(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_arrays);
            items.sort_by_cached_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(sort_arrays),
        _ => {}
    }
}

const MIRROR_STATES: &str = "__mirror_state";
/// What tools print before a node id, as the other normalisations leave the line.
const NODE_ID_PLACES: [&str; 9] = [
    "Leader: ",
    "Replicas: ",
    "Isr: ",
    "\"broker\":",
    "from brokers ",
    "for broker ",
    "<broker> (",
    "<broker> (id: ",
    " coordinator ",
];

const TOPIC_ID: &str = "TopicId: ";
