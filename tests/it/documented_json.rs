//! What `--json` prints is written down in one place, field by field.

use std::fs;

use crate::source_tree::{SourceFile, expect_none, root, rust_files};

#[test]
fn every_field_of_a_document_is_named_where_documents_are_described() {
    let described = fs::read_to_string(root().join("control/ringmirror/JSON.md")).unwrap();
    let files = rust_files();
    let printed = |file: &&SourceFile| {
        let is_report = PRINTED.contains(&file.path.as_str());
        is_report || (file.path.starts_with("control/ringmirror/src/") && !file.is_test())
    };
    let fields: Vec<(String, String)> = files.iter().filter(printed).flat_map(fields_of).collect();
    assert!(fields.len() > 100, "{} fields: the reports are elsewhere", fields.len());
    let is_missing = |(_, field): &&(String, String)| !described.contains(&format!("`{field}`"));
    let missing = fields.iter().filter(is_missing);
    let missing: Vec<String> = missing.map(|(path, field)| format!("{path}: {field}")).collect();
    expect_none("describe these in control/ringmirror/JSON.md", &missing);
}

/// The fields of a file's structs that are printed, as they are called there, with its path.
fn fields_of(file: &SourceFile) -> Vec<(String, String)> {
    let (mut fields, mut is_printed, mut is_camel, mut is_inside) =
        (Vec::new(), false, false, false);
    for line in file.text.lines().map(str::trim) {
        if line.starts_with("#[derive(") {
            (is_printed, is_camel) = (line.contains("Serialize"), false);
        } else if line.starts_with("#[serde(rename_all = \"camelCase\")]") {
            is_camel = true;
        } else if line.contains("struct ") && line.ends_with('{') {
            is_inside = is_printed;
        } else if line == "}" {
            (is_inside, is_printed) = (false, false);
        } else if is_inside && !line.starts_with(['/', '#']) {
            let name = line.split(':').next().unwrap_or_default();
            let name = name.rsplit(' ').next().unwrap_or_default();
            let name = if is_camel { camel(name) } else { name.to_owned() };
            fields.push((file.path.clone(), name));
        }
    }
    fields
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_uppercase());
        camel.push_str(rest);
    }
    camel
}

/// Files of other crates whose structs are printed.
const PRINTED: [&str; 4] = [
    "control/mirror-node/src/handover.rs",
    "control/mirror-node/src/handover/mirrored.rs",
    "control/mirror-node/src/mirror_news.rs",
    "control/mirror-node/src/verify.rs",
];
