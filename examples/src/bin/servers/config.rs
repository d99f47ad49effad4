//! Reads `servers.toml`, and validates each entry separately.

use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt, fs,
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

/// The configuration of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The port on 127.0.0.1; 0 for any free port.
    pub(crate) port: u16,
    /// The absolute path of the folder that it serves.
    pub(crate) root: PathBuf,
}

/// The valid entries, and the problems of the others.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) entries: Vec<Entry>,
    pub(crate) problems: Vec<Problem>,
}

/// A valid entry of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) spec: Spec,
}

/// A problem of the file or of one entry. The other entries remain valid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    location: String,
    entry: Option<String>,
    message: String,
    help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.location)?;
        if let Some(entry) = &self.entry {
            write!(f, "{entry}: ")?;
        }
        write!(f, "{}\n  help: {}", self.message, self.help)
    }
}

/// An entry before validation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: Spanned<String>,
    port: Spanned<u16>,
    root: Spanned<PathBuf>,
}

const EXAMPLE: &str = "`[[server]]` with `id = \"web\"`, `port = 0` and `root = \"folder\"`";

impl Config {
    /// Reads the file. `is_ours` returns whether the process of the given server listens on the port.
    pub(crate) fn load(file: &Path, is_ours: impl Fn(&str, u16) -> bool) -> Self {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                let help = match error.kind() {
                    ErrorKind::NotFound => format!("create it with {EXAMPLE}, or name another file with --file"),
                    _ => "make it a readable text file, or name another file with --file".into(),
                };
                let message = format!("cannot read the file: {error}");
                let problem = Problem { location: display_path(file), entry: None, message, help };
                return Self { entries: Vec::new(), problems: vec![problem] };
            }
        };
        let mut reader = Reader { file, text: &text, ids: HashMap::new(), ports: HashMap::new(), problems: Vec::new() };
        let entries = reader.entries(is_ours);
        Self { entries, problems: reader.problems }
    }
}

/// Reads the entries, and collects problems.
struct Reader<'t> {
    file: &'t Path,
    text: &'t str,
    /// The line of the first occurrence of each id.
    ids: HashMap<String, usize>,
    /// The line of the first occurrence of each port.
    ports: HashMap<u16, usize>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn entries(&mut self, is_ours: impl Fn(&str, u16) -> bool) -> Vec<Entry> {
        let document = match DeTable::parse(self.text) {
            Ok(document) => document.into_inner(),
            Err(error) => {
                let message = format!("invalid TOML: {}", error.message());
                self.report(error.span(), None, message, "fix this line; no server of the file is read until then");
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for (key, value) in document {
            let (at, span) = (key.span(), value.span());
            match value.into_inner() {
                DeValue::Array(servers) if key.get_ref() == "server" => {
                    found.extend(servers.into_iter().filter_map(|server| self.entry(server, &is_ours)));
                }
                _ if key.get_ref() == "server" => {
                    self.report(
                        Some(span),
                        None,
                        "`server` is not a list of tables".into(),
                        "write `[[server]]`, with double brackets",
                    );
                }
                _ => {
                    let message = format!("unknown key `{}`", key.get_ref());
                    self.report(Some(at), None, message, &format!("remove it; the file contains {EXAMPLE}"));
                }
            }
        }
        if found.is_empty() && self.problems.is_empty() {
            self.report(None, None, "the file has no servers".into(), &format!("add {EXAMPLE}"));
        }
        found
    }

    fn entry(&mut self, server: Spanned<DeValue<'_>>, is_ours: impl Fn(&str, u16) -> bool) -> Option<Entry> {
        let span = server.span();
        let name = server.get_ref().get("id").and_then(|id| id.get_ref().as_str()).filter(|id| !id.is_empty());
        let name = Some(name.map_or_else(|| "a server without an id".into(), |id| format!("server `{id}`")));
        let RawEntry { id, port, root } = match RawEntry::deserialize(ValueDeserializer::from(server)) {
            Ok(written) => written,
            Err(error) => {
                let help = format!("write {EXAMPLE}");
                self.report(error.span().or(Some(span)), name, error.message().into(), &help);
                return None;
            }
        };
        let before = self.problems.len();
        self.check_id(&id, name.clone());
        self.check_port(&port, id.get_ref(), name.clone(), is_ours);
        let root = self.check_root(&root, name)?;
        let valid = self.problems.len() == before;
        valid.then(|| Entry { id: id.into_inner(), spec: Spec { port: port.into_inner(), root } })
    }

    fn check_id(&mut self, id: &Spanned<String>, name: Option<String>) {
        let line = self.line(id.span());
        let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.get_ref().is_empty() {
            self.report(Some(id.span()), name, "the id is empty".into(), "use letters, digits, `-` and `_`");
        } else if !id.get_ref().chars().all(is_valid) || id.get_ref().len() > 64 {
            let message = "the id is not a valid name".into();
            self.report(
                Some(id.span()),
                name,
                message,
                "use up to 64 letters, digits, `-` and `_`; file names contain the id",
            );
        } else if let Some(first) = self.ids.get(id.get_ref()) {
            let message = format!("the id is already used on line {first}");
            self.report(Some(id.span()), name, message, "choose another id; the first entry remains valid");
        } else {
            self.ids.insert(id.get_ref().clone(), line);
        }
    }

    fn check_port(&mut self, port: &Spanned<u16>, id: &str, name: Option<String>, is_ours: impl Fn(&str, u16) -> bool) {
        let (line, number) = (self.line(port.span()), *port.get_ref());
        if number == 0 {
            return;
        }
        if let Some(first) = self.ports.get(&number) {
            let message = format!("port {number} is already used on line {first}");
            self.report(Some(port.span()), name, message, "choose another port, or 0 for any free port");
            return;
        }
        self.ports.insert(number, line);
        if is_ours(id, number) {
            return;
        }
        if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
            let (message, help) = match error.kind() {
                ErrorKind::AddrInUse => (
                    format!("port {number} is in use by another process"),
                    "stop that process, or choose another port, or 0 for any free port",
                ),
                ErrorKind::PermissionDenied => {
                    (format!("port {number} requires privileges"), "choose a port above 1023, or 0 for any free port")
                }
                _ => (format!("port {number} cannot be used: {error}"), "choose another port, or 0 for any free port"),
            };
            self.report(Some(port.span()), name, message, help);
        }
    }

    fn check_root(&mut self, root: &Spanned<PathBuf>, name: Option<String>) -> Option<PathBuf> {
        let folder = self.file.parent().unwrap_or(Path::new("")).join(root.get_ref());
        let message = match folder.canonicalize() {
            Ok(folder) if folder.is_dir() => return Some(folder),
            Ok(_) => format!("{} is not a folder", display_path(&folder)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                format!("folder {} does not exist", display_path(&folder))
            }
            Err(error) => format!("cannot open the folder {}: {error}", display_path(&folder)),
        };
        self.report(Some(root.span()), name, message, "create the folder, or correct `root`");
        None
    }

    fn report(&mut self, span: Option<Range<usize>>, entry: Option<String>, message: String, help: &str) {
        let file = display_path(self.file);
        let location = span.map_or_else(|| file.clone(), |span| format!("{file}:{}", self.line(span)));
        self.problems.push(Problem { location, entry, message, help: help.into() });
    }

    fn line(&self, span: Range<usize>) -> usize {
        self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// A path relative to the working directory if it is below it, and absolute otherwise.
pub(crate) fn display_path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    below.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| path.to_path_buf()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads a file with a folder `here` beside it; problems as text, without the path of the folder.
    fn load(text: &str, is_ours: bool) -> (Vec<Entry>, String) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("here")).expect("a folder");
        fs::write(folder.path().join("s.toml"), text).expect("a file");
        let config = Config::load(&folder.path().join("s.toml"), |_, _| is_ours);
        let problems: Vec<_> = config.problems.iter().map(ToString::to_string).collect();
        (config.entries, problems.join("\n").replace(&format!("{}/", folder.path().display()), ""))
    }

    fn ids(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    const GOOD: &str = "[[server]]\nid = \"good\"\nport = 0\nroot = \"here\"\n";

    #[test]
    fn the_example_file_is_valid() {
        let config = Config::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/servers.toml")), |_, _| false);
        assert_eq!(config.problems, []);
        assert_eq!(ids(&config.entries), ["hello", "docs", "shop"]);
    }

    #[test]
    fn a_missing_file_error_shows_an_example() {
        let config = Config::load(Path::new("/nowhere/s.toml"), |_, _| false);
        assert_eq!(
            config.problems[0].to_string(),
            "/nowhere/s.toml: cannot read the file: No such file or directory (os error 2)\n  help: create it with \
             `[[server]]` with `id = \"web\"`, `port = 0` and `root = \"folder\"`, or name another file with --file"
        );
    }

    #[test]
    fn invalid_toml_names_its_line() {
        let (entries, problems) = load(&format!("{GOOD}[[server]]\nid = \"b\nport = 0\n"), false);
        assert_eq!(entries, []);
        assert_eq!(
            problems,
            "s.toml:6: invalid TOML: invalid basic string, expected `\"`\n  help: fix this line; no server of the \
             file is read until then"
        );
    }

    #[test]
    fn a_file_without_servers_is_an_error() {
        let (_, problems) = load("# nothing\n", false);
        assert!(problems.starts_with("s.toml: the file has no servers\n  help: add `[[server]]`"), "{problems}");
        let (_, problems) = load("[server]\nid = \"x\"\n", false);
        assert!(problems.contains("s.toml:1: `server` is not a list of tables"), "{problems}");
    }

    #[test]
    fn an_invalid_entry_leaves_the_others_valid() {
        let text = format!(
            "colour = 1\n{GOOD}\
             [[server]]\nid = \"typo\"\nport = 0\nrot = \"here\"\n\
             [[server]]\nid = \"good\"\nport = 0\nroot = \"here\"\n\
             [[server]]\nid = \"\"\nport = 0\nroot = \"here\"\n\
             [[server]]\nid = \"a/b\"\nport = 0\nroot = \"here\"\n\
             [[server]]\nid = \"lost\"\nport = 0\nroot = \"missing\"\n\
             [[server]]\nid = \"file\"\nport = 0\nroot = \"s.toml\"\n\
             [[server]]\nid = \"big\"\nport = 70000\nroot = \"here\"\n\
             [[server]]\nport = 0\nroot = \"here\"\n\
             [[server]]\nid = \"last\"\nport = 0\nroot = \"here\"\n"
        );
        let (entries, problems) = load(&text, false);
        assert_eq!(ids(&entries), ["good", "last"]);
        let heads: Vec<_> = problems.lines().filter(|line| !line.starts_with("  ")).collect();
        assert_eq!(
            heads,
            [
                "s.toml:1: unknown key `colour`",
                "s.toml:9: server `typo`: unknown field `rot`, expected one of `id`, `port`, `root`",
                "s.toml:11: server `good`: the id is already used on line 3",
                "s.toml:15: a server without an id: the id is empty",
                "s.toml:19: server `a/b`: the id is not a valid name",
                "s.toml:25: server `lost`: folder missing does not exist",
                "s.toml:29: server `file`: s.toml is not a folder",
                "s.toml:32: server `big`: invalid value: integer `70000`, expected u16",
                "s.toml:34: a server without an id: missing field `id`",
            ]
        );
        assert_eq!(problems.lines().filter(|line| line.starts_with("  help: ")).count(), heads.len());
    }

    #[test]
    fn a_port_in_use_by_another_process_is_an_error() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = other.local_addr().expect("its address").port();
        let text = format!("{GOOD}[[server]]\nid = \"late\"\nport = {port}\nroot = \"here\"\n");
        let (entries, problems) = load(&text, false);
        assert_eq!(ids(&entries), ["good"]);
        assert_eq!(
            problems,
            format!(
                "s.toml:7: server `late`: port {port} is in use by another process\n  help: stop that process, or \
                 choose another port, or 0 for any free port"
            )
        );
        let (entries, problems) = load(&text, true);
        assert_eq!((ids(&entries), problems.as_str()), (vec!["good", "late"], ""));
        let (entries, problems) = load(&format!("{text}{}", text.replace("late", "twin").replace("good", "g2")), true);
        assert_eq!(ids(&entries), ["good", "late", "g2"]);
        assert!(problems.contains(&format!("server `twin`: port {port} is already used on line 7")), "{problems}");
    }
}
