//! Settings of a mirror, as every resource shows them.

use super::{Entry, Source, Synonym};
use crate::mirror_orders::MirrorSetting;

/// A setting of a mirror. A secret is shown without its value.
pub(super) fn entry(setting: &MirrorSetting) -> Entry {
    let source = if setting.is_set { Source::Mirror } else { Source::Default };
    let value = setting.value.clone().filter(|_| !setting.is_sensitive);
    let own = Synonym { name: setting.name.clone(), value: value.clone(), source };
    Entry {
        name: setting.name.clone(),
        value,
        source,
        kind: setting.kind,
        is_read_only: setting.is_read_only,
        is_sensitive: setting.is_sensitive,
        synonyms: vec![own],
        documentation: None,
    }
}
