//! Objects against an OpenAPI v3 schema, as structural schemas of definitions are written.
//!
//! Owns: pruning, defaults, and the checks `type`, `required`, `enum`, `pattern`, `minimum`,
//! `maximum`, `minLength`, `maxLength`, `minItems`, `maxItems`, `nullable`,
//! `x-kubernetes-int-or-string`, `x-kubernetes-preserve-unknown-fields`. Deliberately not: CEL
//! rules, formats, `oneOf` and the like.

use serde_json::Value;

use super::refusal::Cause;

/// Removes fields that the schema does not know, and adds those that it has defaults for.
pub(super) fn complete(schema: &Value, object: &mut Value) {
    // Type and metadata are not the schema's.
    complete_fields(schema, object, &["apiVersion", "kind", "metadata"]);
}

fn complete_fields(schema: &Value, object: &mut Value, known: &[&str]) {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match object {
        Value::Object(fields) => {
            let properties = &schema["properties"];
            let extra = &schema["additionalProperties"];
            if !open && extra.is_null() {
                fields.retain(|name, _| {
                    known.contains(&name.as_str()) || properties.get(name).is_some()
                });
            }
            for (name, inner) in properties.as_object().into_iter().flatten() {
                if let Some(default) = inner.get("default").filter(|_| !fields.contains_key(name)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                if known.contains(&name.as_str()) {
                    continue;
                }
                let inner = properties.get(name).or(extra.as_object().map(|_| extra));
                if let Some(inner) = inner {
                    complete_fields(inner, value, &[]);
                }
            }
        }
        Value::Array(entries) if schema["items"].is_object() => {
            for entry in entries {
                complete_fields(&schema["items"], entry, &[]);
            }
        }
        _ => {}
    }
}

/// What the schema finds wrong.
pub(super) fn check(schema: &Value, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        if let Some(value) = object.get(name) {
            check_value(inner, value, name, &mut causes);
        }
    }
    check_required(schema, object, "", &mut causes);
    causes
}

fn check_required(schema: &Value, object: &Value, path: &str, causes: &mut Vec<Cause>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if object.get(name).is_none() {
            causes.push(Cause::required(join(path, name), ""));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_value(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let is = type_of(value);
    let good = match schema["type"].as_str() {
        _ if schema["x-kubernetes-int-or-string"] == true => matches!(is, "integer" | "string"),
        None => true,
        Some("number") => matches!(is, "integer" | "number"),
        Some(wanted) => is == wanted,
    };
    if !good {
        let wanted = schema["type"].as_str().unwrap_or("integer or string");
        causes.push(Cause::of_type(path, is, wanted));
        return;
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        let known: Vec<String> =
            known.iter().map(|one| one.as_str().map_or(one.to_string(), str::to_owned)).collect();
        causes.push(Cause::unsupported(path, value, &known));
    }
    check_bounds(schema, value, path, causes);
    match value {
        Value::Object(fields) => {
            check_required(schema, value, path, causes);
            for (name, value) in fields {
                let extra = &schema["additionalProperties"];
                let inner = schema["properties"].get(name).or(extra.as_object().map(|_| extra));
                if let Some(inner) = inner {
                    check_value(inner, value, &join(path, name), causes);
                }
            }
        }
        Value::Array(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                check_value(&schema["items"], entry, &format!("{path}[{at}]"), causes);
            }
        }
        _ => {}
    }
}

fn check_bounds(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut wrong = |why: String| causes.push(Cause::invalid(path, value, &why));
    let bound = |name: &str| schema[name].as_f64();
    if let Some(number) = value.as_f64() {
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            wrong(format!("{path} in body should be greater than or equal to {least}"));
        }
        if let Some(most) = bound("maximum").filter(|most| number > *most) {
            wrong(format!("{path} in body should be less than or equal to {most}"));
        }
    }
    let count = |value: usize| u32::try_from(value).map_or(f64::INFINITY, f64::from);
    if let Some(text) = value.as_str() {
        let length = count(text.chars().count());
        if let Some(least) = bound("minLength").filter(|least| length < *least) {
            wrong(format!("{path} in body should be at least {least} chars long"));
        }
        if bound("maxLength").is_some_and(|most| length > most) {
            wrong(format!("may not be more than {} bytes", schema["maxLength"]));
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !regex_lite::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
        {
            wrong(format!("{path} in body should match '{pattern}'"));
        }
    }
    if let Some(entries) = value.as_array() {
        let length = count(entries.len());
        if let Some(least) = bound("minItems").filter(|least| length < *least) {
            wrong(format!("{path} in body should have at least {least} items"));
        }
        if let Some(most) = bound("maxItems").filter(|most| length > *most) {
            wrong(format!("must have at most {most} items"));
        }
    }
}
