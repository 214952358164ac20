//! Access control lists.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Driver;

/// Who may or may not do what, by the names of Kafka's enums.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Acl {
    /// `TOPIC`, `GROUP`, `CLUSTER`, ..
    pub resource: String,
    /// Of which one; `kafka-cluster` for the cluster, `*` for all.
    pub name: String,
    /// `LITERAL` or `PREFIXED`.
    pub pattern: String,
    /// `User:` and a name.
    pub principal: String,
    /// From where; `*` for anywhere.
    pub host: String,
    /// `READ`, `DESCRIBE`, ..
    pub operation: String,
    /// `ALLOW` or `DENY`.
    pub permission: String,
}

impl Acl {
    /// Allows a principal an operation on one resource, from anywhere.
    #[must_use]
    pub fn allow(principal: &str, operation: &str, (resource, name): (&str, &str)) -> Self {
        Self {
            resource: resource.to_owned(),
            name: name.to_owned(),
            pattern: "LITERAL".to_owned(),
            principal: principal.to_owned(),
            host: "*".to_owned(),
            operation: operation.to_owned(),
            permission: "ALLOW".to_owned(),
        }
    }

    /// The same refused.
    #[must_use]
    pub fn denied(mut self) -> Self {
        self.permission = "DENY".to_owned();
        self
    }

    /// The same for every resource whose name begins so.
    #[must_use]
    pub fn prefixed(mut self) -> Self {
        self.pattern = "PREFIXED".to_owned();
        self
    }
}

impl Driver {
    /// Adds rules and waits until the broker that answers us follows them.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn create_acls(&self, acls: &[Acl]) -> Result<()> {
        self.tell(&json!({"do": "create_acls", "acls": acls}))
    }

    /// Takes exactly these rules away and waits until the broker that answers us does not follow
    /// them any more.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn delete_acls(&self, acls: &[Acl]) -> Result<()> {
        self.tell(&json!({"do": "delete_acls", "acls": acls}))
    }

    /// Every rule there is, in order.
    ///
    /// # Errors
    /// As Kafka refuses.
    pub fn acls(&self) -> Result<Vec<Acl>> {
        let mut answer: Acls = self.ask(&json!({"do": "acls"}))?;
        answer.acls.sort();
        Ok(answer.acls)
    }
}

#[derive(Deserialize)]
struct Acls {
    acls: Vec<Acl>,
}
