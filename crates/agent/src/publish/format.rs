//! A published file's text: a merge patch, as one would give it to `kubectl patch`.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};

use manifest::{Found, Limits, Parsed};
use model::Object;

use super::places::fnv1a_64;
use super::{Author, PodRef, Published};

/// The annotation that is published.
const ANNOTATION: &str = "nodeportlocal.antrea.io";

/// How the line begins that tells our own word.
const SIGNED: &str = "# as netkeep wrote it: ";

/// The text that says this.
pub(super) fn render(pod: &PodRef, annotation: Option<&str>) -> String {
    let mut text = String::from("apiVersion: v1\nkind: Pod\nmetadata:\n");
    let value = match annotation {
        Some(value) => quoted(value),
        None => "null".to_owned(),
    };
    // writing to a string does not fail
    let _ = write!(
        text,
        "  name: {}\n  namespace: {}\n  uid: {}\n  annotations:\n    {ANNOTATION}: {value}\n{SIGNED}{:016x}\n",
        plain_or_quoted(&pod.name),
        plain_or_quoted(&pod.namespace),
        plain_or_quoted(&pod.uid.text()),
        signature(&pod.uid.text(), annotation),
    );
    text
}

/// By which a file is known to be as we wrote it, in whichever of our lives: who alters it does not
/// alter this. It is no secret: who may write here may as well delete.
fn signature(uid: &str, annotation: Option<&str>) -> u64 {
    let said = [uid, "\0", annotation.unwrap_or("\0")].concat();
    fnv1a_64(said.as_bytes())
}

/// Who wrote what a text says.
fn author(bytes: &[u8], uid: &str, annotation: Option<&str>) -> Author {
    let signed = format!("{SIGNED}{:016x}", signature(uid, annotation));
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if lines.any(|line| line == signed.as_bytes()) { Author::Us } else { Author::Another }
}

/// Whether a text is of our making, even if somebody altered it since.
pub(super) fn is_ours(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(SIGNED.as_bytes()))
}

/// What a text says, or what is wrong with it.
pub(super) fn parse(bytes: &[u8]) -> Result<Published, String> {
    let Parsed { objects, summary } = manifest::parse("line", bytes, &Limits::default());
    if let Some(problem) = summary.syntax.or_else(|| summary.invalid.into_iter().next()) {
        return Err(problem.to_string());
    }
    let mut objects = objects.into_iter();
    let (Some(Found { object: Object::Pod(pod), .. }), None) = (objects.next(), objects.next())
    else {
        return Err("it does not hold one Pod".to_owned());
    };
    let model::object::Meta { namespace, name, uid } = pod.meta;
    // in an object null is the empty string; here it is what removes
    let annotation = pod.npl_annotation.filter(|value| !value.is_empty()).map(Into::into);
    let author = author(bytes, &uid.text(), annotation.as_deref());
    Ok(Published { pod: PodRef { namespace, name, uid }, annotation, author })
}

/// Compared only within one life of the process.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Plain where nothing can take it for anything else, as most names are.
fn plain_or_quoted(text: &str) -> String {
    let other_types = ["y", "yes", "n", "no", "true", "false", "on", "off", "null"].contains(&text);
    let is_plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c))
        && !other_types;
    if is_plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')) {
        // a JSON string is a YAML string
        let escaped: String = text.chars().map(escape).collect();
        return format!("\"{escaped}\"");
    }
    format!("'{}'", text.replace('\'', "''"))
}

fn escape(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        _ => c.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |mut text, unit| {
            let _ = write!(text, "\\u{unit:04x}");
            text
        }),
    }
}
