//! What is printed for people: a shell script, which does nothing but run ringmirror.

use super::imported::{Import, ImportedMirror};

/// The lines of the script. `node` is where the node listens.
pub(super) fn lines(import: &Import, file: &str, node: &str) -> Vec<String> {
    let mut lines = vec![
        "#!/bin/sh".to_owned(),
        format!("# The mirrors of {}, made by ringmirror import-mm2.", comment(file)),
        "# Look through it and set NODE, the address of the node that takes the target's place."
            .to_owned(),
        "set -e".to_owned(),
    ];
    let mut target = None;
    for mirror in &import.mirrors {
        if target.replace(&mirror.target) != Some(&mirror.target) {
            lines.push(String::new());
            lines.push(format!(
                "# On the node that takes the place of {}:",
                comment(&mirror.target)
            ));
            lines.push(format!("NODE={}", quoted(node)));
        }
        lines.extend(mirror_lines(mirror));
    }
    if import.mirrors.is_empty() {
        lines.extend([
            String::new(),
            "# No direction that is switched on can be taken over.".to_owned(),
        ]);
    }
    let refused = import.refused.iter().map(|one| {
        format!(
            "#   {} -> {}: {}",
            comment(&one.source),
            comment(&one.target),
            comment(&one.reason)
        )
    });
    section(&mut lines, "Not taken over:", refused.collect());
    section(
        &mut lines,
        "To know:",
        import.notes.iter().map(|note| format!("#   {}", comment(note))).collect(),
    );
    let keys = import.without_counterpart.iter();
    let keys = keys.map(|one| {
        format!("#   line {}: {}: {}", one.line, comment(&one.key), comment(&one.reason))
    });
    section(&mut lines, "Keys without a counterpart:", keys.collect());
    lines
}

fn section(lines: &mut Vec<String>, title: &str, of_section: Vec<String>) {
    if !of_section.is_empty() {
        lines.extend([String::new(), format!("# {title}")]);
        lines.extend(of_section);
    }
}

fn mirror_lines(mirror: &ImportedMirror) -> Vec<String> {
    let (source, target) = (comment(&mirror.source), comment(&mirror.target));
    let file = quoted(&mirror.file);
    let mut lines = vec![String::new(), format!("# {source} -> {target}")];
    lines.push(format!("cat > {file} <<'{END}'"));
    let settings = mirror.settings.iter();
    lines.extend(settings.map(|(name, value)| format!("{name}={}", property(value))));
    lines.push(END.to_owned());
    let command = "ringmirror cluster-mirrors --bootstrap-server \"$NODE\"";
    let name = quoted(&mirror.mirror);
    lines.push(format!("{command} --create --mirror={name} --mirror-config {file}"));
    match mirror.topics.is_empty() {
        true => {
            lines.push("# MirrorMaker 2 mirrors no topic there: nothing is started.".to_owned())
        }
        false => {
            let topics = quoted(&mirror.topics.join(","));
            lines.push(format!("{command} --start --mirror={name} --topics={topics}"));
        }
    }
    lines
}

/// As one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// As a value of a properties file.
fn property(value: &str) -> String {
    let mut text = String::new();
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str(r"\\"),
            '\n' => text.push_str(r"\n"),
            '\r' => text.push_str(r"\r"),
            '\t' => text.push_str(r"\t"),
            '\u{c}' => text.push_str(r"\f"),
            other => text.push(other),
        }
    }
    text
}

/// On one line, without what a terminal might obey.
fn comment(text: &str) -> String {
    let shown = text.chars().take(COMMENT_CHARS_MAX);
    shown.map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Ends the settings; no line of them is without a `=`.
const END: &str = "END_OF_SETTINGS";
/// Longer texts are cut.
const COMMENT_CHARS_MAX: usize = 400;
