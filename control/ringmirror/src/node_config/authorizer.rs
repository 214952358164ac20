//! Who may do what, as a node's file says it.

use mirror_coordinator::acl::authorizer::Authorizer;

use super::effective::Effective;
use super::raw::AuthorizerKind;
use crate::exit_code::CommandError;

/// Puts together what holds beside access control lists; `None` when nobody decides.
pub(super) fn resolve(
    kind: Option<AuthorizerKind>,
    super_users: Option<Vec<String>>,
    allow_everyone: Option<bool>,
    effective: &mut Effective,
) -> Result<Option<Authorizer>, CommandError> {
    let kind = effective.pick("authorizer", None, kind.map(Some), None);
    let super_users = effective.pick("super_users", None, super_users, Vec::new());
    let allow_everyone =
        effective.pick("allow_everyone_if_no_acl_found", None, allow_everyone, false);
    if let Some(user) = super_users.iter().find(|user| !user.contains(':')) {
        let text = format!("super_users: {user:?} is not a type and a name, as \"User:admin\"");
        return Err(CommandError::usage(text));
    }
    if kind.is_none() && (allow_everyone || !super_users.is_empty()) {
        let key = if allow_everyone { "allow_everyone_if_no_acl_found" } else { "super_users" };
        let text = format!("{key} does nothing without authorizer = \"acl\"");
        return Err(CommandError::usage(text));
    }
    Ok(kind.map(|AuthorizerKind::Acl| Authorizer {
        super_users: super_users.into_iter().collect(),
        allow_everyone_if_no_acl_found: allow_everyone,
    }))
}
