//! The small reader and writer under all messages.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::Malformed;

/// Parses one frame. Of a key that is given twice the last value holds, as in a browser's `JSON.parse`.
pub(crate) fn read(text: &str) -> Result<Value, Malformed> {
    check_depth(text)?;
    serde_json::from_str(text)
        .map_err(|error| Malformed::NotJson { line: error.line(), column: error.column() })
}

/// Counts brackets outside of strings; whether they match is left to the parser.
fn check_depth(text: &str) -> Result<(), Malformed> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > Malformed::DEPTH_LIMIT {
                    return Err(Malformed::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The members of an object, read leniently: null is absent, numbers may come as strings and strings as numbers.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(crate) fn of(value: &'a Value, what: &'static str) -> Result<Self, Malformed> {
        value.as_object().map(Fields).ok_or(Malformed::NotAnObject(what))
    }

    pub(crate) fn value(self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn text(self, field: &'static str) -> Result<String, Malformed> {
        self.value(field).map_or(Err(Malformed::Missing(field)), |value| text_of(value, field))
    }

    /// An absent, null or empty text is none: forms send an empty field for "not given".
    pub(crate) fn text_if_given(self, field: &'static str) -> Result<Option<String>, Malformed> {
        Ok(Some(self.text_or_empty(field)?).filter(|text| !text.is_empty()))
    }

    pub(crate) fn text_or_empty(self, field: &'static str) -> Result<String, Malformed> {
        self.value(field).map_or(Ok(String::new()), |value| text_of(value, field))
    }

    pub(crate) fn integer(self, field: &'static str) -> Result<i64, Malformed> {
        self.integer_if_given(field)?.ok_or(Malformed::Missing(field))
    }

    pub(crate) fn integer_if_given(self, field: &'static str) -> Result<Option<i64>, Malformed> {
        self.value(field).map(|value| integer_of(value, field)).transpose()
    }

    pub(crate) fn flag_if_given(self, field: &'static str) -> Result<Option<bool>, Malformed> {
        let Some(value) = self.value(field) else { return Ok(None) };
        match (value.as_bool(), value.as_str()) {
            (Some(flag), _) => Ok(Some(flag)),
            (_, Some("true")) => Ok(Some(true)),
            (_, Some("false")) => Ok(Some(false)),
            _ => Err(Malformed::Wrong { field, expected: "true or false" }),
        }
    }

    pub(crate) fn flag(self, field: &'static str) -> Result<bool, Malformed> {
        Ok(self.flag_if_given(field)?.unwrap_or(false))
    }

    /// An array, empty if absent.
    pub(crate) fn array(self, field: &'static str) -> Result<&'a [Value], Malformed> {
        self.value(field).map_or(Ok(&[]), |value| array_of(value, field))
    }

    pub(crate) fn texts(self, field: &'static str) -> Result<Vec<String>, Malformed> {
        self.array(field)?.iter().map(|value| text_of(value, field)).collect()
    }

    /// A map from string to string, empty if absent. Members that are null are left out.
    pub(crate) fn text_map(self, field: &'static str) -> Result<BTreeMap<String, String>, Malformed> {
        let Some(value) = self.value(field) else { return Ok(BTreeMap::new()) };
        let members = value.as_object().ok_or(Malformed::NotAnObject(field))?;
        let given = members.iter().filter(|(_, value)| !value.is_null());
        read_map(given, |(name, value)| Ok((name.clone(), text_of(value, field)?)))
    }
}

/// A map of what is read from each item. Not by `collect`: that sorts first, and a page would carry the sorting code
/// of each kind of map.
pub(crate) fn read_map<I, V>(
    items: impl IntoIterator<Item = I>,
    read: impl Fn(I) -> Result<(String, V), Malformed>,
) -> Result<BTreeMap<String, V>, Malformed> {
    let mut map = BTreeMap::new();
    for item in items {
        let (name, value) = read(item)?;
        map.insert(name, value);
    }
    Ok(map)
}

pub(crate) fn array_of<'a>(value: &'a Value, field: &'static str) -> Result<&'a [Value], Malformed> {
    value.as_array().map(Vec::as_slice).ok_or(Malformed::Wrong { field, expected: "an array" })
}

fn text_of(value: &Value, field: &'static str) -> Result<String, Malformed> {
    match value {
        Value::String(text) => Ok(text.clone()),
        // Whole numbers only: what is written for a fraction is not always what was read.
        Value::Number(number) => {
            let whole = number.as_i64().map(|whole| whole.to_string());
            whole.ok_or(Malformed::Wrong { field, expected: "a string" })
        }
        Value::Bool(flag) => Ok(if *flag { "true" } else { "false" }.to_owned()),
        _ => Err(Malformed::Wrong { field, expected: "a string" }),
    }
}

pub(crate) fn integer_of(value: &Value, field: &'static str) -> Result<i64, Malformed> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    number.ok_or(Malformed::Wrong { field, expected: "an integer" })
}

/// Writes one object with its members in the order of the calls.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Object(String::from("{"))
    }

    pub(crate) fn text(self, field: &str, text: &str) -> Self {
        self.raw(field, &quoted(text))
    }

    pub(crate) fn text_if_given(self, field: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(field, text),
            None => self,
        }
    }

    pub(crate) fn text_or_null(self, field: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(field, text),
            None => self.raw(field, "null"),
        }
    }

    pub(crate) fn integer(self, field: &str, number: i64) -> Self {
        self.raw(field, &number.to_string())
    }

    pub(crate) fn flag(self, field: &str, flag: bool) -> Self {
        self.raw(field, if flag { "true" } else { "false" })
    }

    pub(crate) fn texts(self, field: &str, texts: &[String]) -> Self {
        self.raw(field, &array(texts, |text| quoted(text)))
    }

    pub(crate) fn text_map(self, field: &str, members: &BTreeMap<String, String>) -> Self {
        let object = members.iter().fold(Object::new(), |object, (name, text)| object.text(name, text));
        self.raw(field, &object.end())
    }

    /// A member whose value is JSON already.
    pub(crate) fn raw(mut self, field: &str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(field));
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

pub(crate) fn array<T>(items: &[T], mut json: impl FnMut(&T) -> String) -> String {
    let mut text = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&json(item));
    }
    text.push(']');
    text
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every text can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_levels_are_read_and_seventeen_are_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(16)).is_ok());
        assert_eq!(read(&nested(17)), Err(Malformed::TooDeep));
        assert_eq!(read(&"[".repeat(65_536)), Err(Malformed::TooDeep));
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let text = format!(r#"{{"log":"\"{}","after":1}}"#, "[".repeat(100));
        assert!(read(&text).is_ok());
    }

    #[test]
    fn of_a_doubled_key_the_last_value_holds() {
        let value = read(r#"{"key":"1","key":"2"}"#).unwrap();
        assert_eq!(Fields::of(&value, "frame").unwrap().text("key").unwrap(), "2");
    }

    #[test]
    fn numbers_out_of_range_and_lone_surrogates_are_refused() {
        for text in [r#"{"a":1e400}"#, r#"{"a":NaN}"#, r#"{"a":"\ud800"}"#, "", "{", "{}{}"] {
            assert!(matches!(read(text), Err(Malformed::NotJson { .. })), "{text:?}");
        }
    }

    #[test]
    fn strings_and_numbers_stand_for_each_other() {
        let value = read(r#"{"a":" 12 ","b":12,"c":null,"d":"x","e":12.5,"f":"true"}"#).unwrap();
        let fields = Fields::of(&value, "frame").unwrap();
        assert_eq!(fields.integer("a"), Ok(12));
        assert_eq!(fields.text("b"), Ok("12".to_owned()));
        assert_eq!(fields.text("e"), Err(Malformed::Wrong { field: "e", expected: "a string" }));
        assert_eq!(fields.integer_if_given("c"), Ok(None));
        assert_eq!(fields.integer("d"), Err(Malformed::Wrong { field: "d", expected: "an integer" }));
        assert_eq!(fields.integer("e"), Err(Malformed::Wrong { field: "e", expected: "an integer" }));
        assert_eq!(fields.flag("f"), Ok(true));
    }

    #[test]
    fn what_is_written_is_escaped() {
        let json = Object::new().text("a\"", "\n\u{0}</script>é").end();
        assert_eq!(json, "{\"a\\\"\":\"\\n\\u0000</script>é\"}");
    }
}
