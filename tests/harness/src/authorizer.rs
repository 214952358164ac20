//! Brokers with an authorizer: a listener of strangers, and one where users say who they are.
//!
//! On the PLAINTEXT listener everybody is `User:ANONYMOUS`. On the other one, SASL/PLAIN, a client
//! is the user it says it is. Brokers, the controller and the cluster's driver talk there as
//! [`ADMIN`], who may do everything.

use std::fmt::Write as _;

use crate::server_properties::ServerProperties;

/// The super user.
pub const ADMIN: &str = "admin";
/// Users who may do what rules let them.
pub const ORDINARY_USERS: [&str; 2] = ["alice", "bob"];
/// The principal of whoever comes over the PLAINTEXT listener.
pub const STRANGER: &str = "User:ANONYMOUS";

/// Name of the listener of users.
pub(crate) const USERS: &str = "USERS";

/// Puts the authorizer and the listener of users into a broker's or controller's configuration.
pub(crate) fn configure(properties: &mut ServerProperties) {
    let mut login = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"{ADMIN}\" password=\"{ADMIN}-secret\""
    );
    for user in [ADMIN].iter().chain(&ORDINARY_USERS) {
        // Writing to a string cannot fail.
        let _ = write!(login, " user_{user}=\"{user}-secret\"");
    }
    login.push(';');
    for listener in ["users", "controller"] {
        properties.set(&format!("listener.name.{listener}.plain.sasl.jaas.config"), &*login);
    }
    properties.set(
        "listener.security.protocol.map",
        "PLAINTEXT:PLAINTEXT,USERS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    );
    properties.set("inter.broker.listener.name", USERS);
    properties.set("sasl.enabled.mechanisms", "PLAIN");
    properties.set("sasl.mechanism.inter.broker.protocol", "PLAIN");
    properties.set("sasl.mechanism.controller.protocol", "PLAIN");
    properties.set("authorizer.class.name", AUTHORIZER);
    properties.set("super.users", format!("User:{ADMIN}"));
}

const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
