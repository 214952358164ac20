//! Java's `.properties` text: how Kafka writes client and server configurations.
//!
//! One `key=value` per logical line; `:` or blanks separate as well, `#` and `!` start comments,
//! a backslash joins lines and escapes characters. Source: `java.util.Properties.load`.

/// Largest properties text read, in bytes.
pub const PROPERTIES_BYTES_MAX: usize = 1 << 20;

/// A pair as written, with the number of the line it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Line number, from 1.
    pub line: usize,
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped; empty when there is none.
    pub value: String,
}

/// What a properties text can be wrong in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// `\u` without four hexadecimal digits, or naming no character.
    #[error("line {line}: \\u must be followed by four hexadecimal digits of a character")]
    BadUnicodeEscape {
        /// Where, from 1.
        line: usize,
    },
    /// Larger than any real configuration.
    #[error("{bytes} bytes of properties, at most {PROPERTIES_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Reads every pair of `text`, in order; later pairs of the same key are for the caller to judge.
///
/// # Errors
/// Names the line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Property>, PropertiesError> {
    if text.len() > PROPERTIES_BYTES_MAX {
        return Err(PropertiesError::TooLong { bytes: text.len() });
    }
    logical_lines(text).into_iter().map(|(line, joined)| split_pair(line, &joined)).collect()
}

/// Joins continued lines, drops comments and blank lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut joined_lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in text.lines().enumerate() {
        let content = natural.trim_start_matches([' ', '\t', '\u{c}']);
        let (start, mut joined) = match open.take() {
            Some(begun) => begun,
            None if content.is_empty() || content.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        let backslash_count = content.len() - content.trim_end_matches('\\').len();
        if backslash_count % 2 == 1 {
            joined.push_str(&content[..content.len() - 1]);
            open = Some((start, joined));
        } else {
            joined.push_str(content);
            joined_lines.push((start, joined));
        }
    }
    joined_lines.extend(open);
    joined_lines
}

fn split_pair(line: usize, joined: &str) -> Result<Property, PropertiesError> {
    let blank = |letter: char| matches!(letter, ' ' | '\t' | '\u{c}');
    let mut escaped = false;
    let key_end = joined
        .char_indices()
        .find(|(_, letter)| {
            let ends = !escaped && (blank(*letter) || matches!(letter, '=' | ':'));
            escaped = !escaped && *letter == '\\';
            ends
        })
        .map_or(joined.len(), |(at, _)| at);
    let (key, rest) = joined.split_at(key_end);
    let rest = rest.trim_start_matches(blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(blank);
    Ok(Property { line, key: unescape(line, key)?, value: unescape(line, value)? })
}

fn unescape(line: usize, text: &str) -> Result<String, PropertiesError> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => plain.push(unicode_escape(line, &mut letters)?),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

fn unicode_escape(line: usize, letters: &mut std::str::Chars<'_>) -> Result<char, PropertiesError> {
    let bad = PropertiesError::BadUnicodeEscape { line };
    let mut code = 0;
    for _ in 0..4 {
        let digit =
            letters.next().and_then(|letter| letter.to_digit(16)).ok_or_else(|| bad.clone())?;
        code = code * 16 + digit;
    }
    char::from_u32(code).ok_or(bad)
}

#[cfg(test)]
mod tests;
