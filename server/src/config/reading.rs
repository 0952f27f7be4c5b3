//! From a file and the environment to settings.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;

/// Settings that cannot be used, with the place to look at.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something that is no setting.
    #[error("{}:{place}: {message}", file.display())]
    InFile {
        /// The file.
        file: PathBuf,
        /// Where in it.
        place: Place,
        /// What is wrong there.
        message: String,
    },
    /// An environment variable holds something that is no such setting.
    #[error("environment variable {variable}: {message}")]
    InEnvironment {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        message: String,
    },
    /// The settings are well-formed, but do not work together.
    #[error("{key}: {message}")]
    Unusable {
        /// The key at fault.
        key: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Place {
    fn of(offset: usize, text: &str) -> Place {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl Config {
    /// Reads the file, if there is one, and lays the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and line, or the variable, of what cannot be used; an unknown key is an error.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let mut table = match file {
            Some(file) => read(file)?,
            None => Table::new(),
        };
        for (variable, value) in environment {
            let Some(path) = variable.strip_prefix(VARIABLE_PREFIX) else { continue };
            if OF_OUR_TOOLS.contains(&path) {
                continue;
            }
            match setting_of(path, &value) {
                Ok(setting) => lay_over(&mut table, setting),
                Err(message) => return Err(ConfigError::InEnvironment { variable, message }),
            }
        }
        table.try_into().map_err(|error: toml::de::Error| ConfigError::InEnvironment {
            variable: format!("{VARIABLE_PREFIX}*"),
            message: error.message().to_owned(),
        })
    }
}

const VARIABLE_PREFIX: &str = "HOTDESK_";
const SECTIONS: [&str; 7] = ["log", "tls", "http", "auth", "sip", "media", "numbers"];
/// Variables with our prefix that are for what builds and tests us, and may be set where we run.
const OF_OUR_TOOLS: [&str; 7] =
    ["ARTEFACTS", "BIN", "CACHE", "CHROMIUM", "E2E_WORKERS", "SITE_DIR", "SITE_FOLDER"];
fn read(file: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
    let in_file = |error: toml::de::Error| ConfigError::InFile {
        file: file.to_owned(),
        place: Place::of(error.span().map_or(0, |span| span.start), &text),
        message: error.message().to_owned(),
    };
    // Read as settings first: only there do errors know their place.
    toml::from_str::<Config>(&text).map_err(in_file)?;
    toml::from_str(&text).map_err(in_file)
}

/// The one setting that a variable makes: `HTTP_MAX_CONNECTIONS` is `max_connections` in `[http]`.
fn setting_of(path: &str, value: &str) -> Result<Table, String> {
    let path = path.to_ascii_lowercase();
    let in_section = SECTIONS.iter().find_map(|section| {
        let key = path.strip_prefix(section)?.strip_prefix('_')?;
        Some((*section, key))
    });
    let setting = |value: Value| match in_section {
        Some((section, key)) => table(section, Value::Table(table(key, value))),
        None => table(&path, value),
    };
    // What a key expects only its type knows: a text, a number or truth value, or a list divided by commas.
    let list = value.split(',').map(str::trim).filter(|item| !item.is_empty());
    let readings = [
        Some(Value::String(value.to_owned())),
        toml::from_str::<Table>(&format!("value = {value}")).ok().and_then(|mut table| table.remove("value")),
        Some(Value::Array(list.map(|item| Value::String(item.to_owned())).collect())),
    ];
    let mut first_refusal = None;
    for reading in readings.into_iter().flatten() {
        let setting = setting(reading);
        match setting.clone().try_into::<Config>() {
            Ok(_) => return Ok(setting),
            Err(error) => first_refusal = first_refusal.or(Some(error.message().to_owned())),
        }
    }
    Err(first_refusal.unwrap_or_default())
}

fn table(key: &str, value: Value) -> Table {
    Table::from_iter([(key.to_owned(), value)])
}

fn lay_over(table: &mut Table, setting: Table) {
    for (key, value) in setting {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}
