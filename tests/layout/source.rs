//! Just enough of Rust's grammar: code without its comments and strings, and the paths in it that start at the crate.

/// The source with comments, strings and character literals blanked out; line breaks stay, so line numbers hold.
pub(crate) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = vec![b' '; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !follows_name(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            code[at] = bytes[at];
            at += 1;
        } else {
            for position in at..end {
                if bytes[position] == b'\n' {
                    code[position] = b'\n';
                }
            }
            at = end;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| from + length)
}

/// Rust's block comments nest.
fn block_comment_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"..."`, `r#"..."#`; `br"..."` comes here at its `r`. None: the `r` starts a name.
fn raw_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let hashes = bytes[from + 1..].iter().take_while(|byte| **byte == b'#').count();
    let body = from + 1 + hashes + 1;
    if bytes.get(body - 1) != Some(&b'"') {
        return None;
    }
    let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let length = bytes[body..].windows(closing.len()).position(|window| window == closing);
    Some(length.map_or(bytes.len(), |length| body + length + closing.len()))
}

/// None: the quote starts a lifetime, not a character.
fn char_end(bytes: &[u8], from: usize) -> Option<usize> {
    if bytes.get(from + 1) == Some(&b'\\') {
        let length = bytes[from + 3..].iter().position(|byte| *byte == b'\'')?;
        return Some(from + 3 + length + 1);
    }
    // A character is at most four bytes, and a lifetime has no second quote this close unless it is `'a'`.
    (2..=5).map(|length| from + length).find(|end| bytes.get(*end) == Some(&b'\'')).and_then(|end| {
        let inside = std::str::from_utf8(&bytes[from + 1..end]).ok()?;
        (inside.chars().count() == 1).then_some(end + 1)
    })
}

fn follows_name(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() && bytes[at - 1] != b'b' || bytes[at - 1] == b'_')
}

/// The words and signs of code, with the line that each stands on.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut word = String::new();
        for character in line.chars().chain([' ']) {
            if character.is_alphanumeric() || character == '_' {
                word.push(character);
                continue;
            }
            if !word.is_empty() {
                tokens.push((number + 1, std::mem::take(&mut word)));
            }
            if !character.is_whitespace() {
                tokens.push((number + 1, character.to_string()));
            }
        }
    }
    tokens
}

/// Every word of the code with its line.
pub(crate) fn words(source: &str) -> Vec<(usize, String)> {
    tokens(&code_only(source))
}

/// What the file names of its own crate: for each path that starts with `crate::`, `$crate::` or enough `super::`, the
/// first name after the crate, with its line. Groups (`crate::{db, json::table}`) give one for each member.
///
/// `module` is the file's own path inside the crate: `["db", "params"]` for `rust/db/params.rs`. Inline modules
/// (`mod tests { use super::*; }`) add a level, which is counted by braces.
pub(crate) fn crate_names(module: &[&str], source: &str) -> Vec<(usize, String)> {
    let tokens = words(source);
    let text = |at: usize| tokens.get(at).map_or("", |(_, text)| text.as_str());
    let mut found = Vec::new();
    let mut inline: Vec<usize> = Vec::new();
    let mut braces = 0;
    for at in 0..tokens.len() {
        match text(at) {
            "{" => {
                braces += 1;
                if at >= 2 && text(at - 2) == "mod" {
                    inline.push(braces);
                }
            }
            "}" => {
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
                braces -= 1;
            }
            // `pub(crate)` and `pub(in crate::x)`: only a path goes on with `::`.
            "crate" if text(at + 1) == ":" => group_names(&tokens, at + 3, &mut found),
            "super" if text(at + 1) == ":" && (at == 0 || text(at - 1) != ":") => {
                let mut levels = 1;
                let mut next = at + 3;
                while text(next) == "super" && text(next + 1) == ":" {
                    levels += 1;
                    next += 3;
                }
                if levels == module.len() + inline.len() {
                    group_names(&tokens, next, &mut found);
                }
            }
            _ => {}
        }
    }
    found
}

/// The name at a token, or the first name of each member when a group opens there.
fn group_names(tokens: &[(usize, String)], from: usize, found: &mut Vec<(usize, String)>) {
    let Some((line, text)) = tokens.get(from) else { return };
    if text != "{" {
        found.push((*line, text.clone()));
        return;
    }
    let mut depth = 1;
    let mut member = true;
    for (line, text) in &tokens[from + 1..] {
        match text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => {
                member = true;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
        if member && text != "}" {
            found.push((*line, text.clone()));
        }
        member = false;
    }
}

#[test]
fn comments_strings_and_characters_are_not_code() {
    let source = "a /* x /* y */ z */ b // c\n\"d \\\" e\" f r#\"g\"h\"# 'i' '\\n' 'é' &'static str br\"j\" for_r\"k\"";
    let words: Vec<String> = words(source).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["a", "b", "f", "&", "'", "static", "str", "b", "for_r"]);
}

#[test]
fn every_way_to_name_the_crate_is_seen() {
    let names = |module: &[&str], source: &str| -> Vec<String> {
        crate_names(module, source).into_iter().map(|(_, name)| name).collect()
    };
    assert_eq!(names(&["db"], "use crate::json::table::Table;"), ["json"]);
    assert_eq!(names(&["db"], "use crate::{json::{a, b}, kernels, cache::c};"), ["json", "kernels", "cache"]);
    assert_eq!(names(&["db"], "fn f() -> crate::front::Config { $crate::ffi::x() }"), ["front", "ffi"]);
    assert_eq!(names(&["db"], "pub(crate) fn f() {}"), [""; 0]);
    assert_eq!(names(&["db"], "use super::front::Config;"), ["front"]);
    assert_eq!(names(&["db", "params"], "use super::Dsn; use super::super::front;"), ["front"]);
    assert_eq!(names(&["db"], "mod tests { use super::*; use super::super::ffi; } use super::lane;"), ["ffi", "lane"]);
}
