//! Owns `servers.toml`: reads it, checks each entry by itself, and says what is wrong with which.

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

/// What one server is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Where it listens on 127.0.0.1; 0 takes any free port.
    pub(crate) port: u16,
    /// The folder that it serves, absolute.
    pub(crate) root: PathBuf,
}

/// The entries that can be used, and what is wrong with the others.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) entries: Vec<Entry>,
    pub(crate) problems: Vec<Problem>,
}

/// One server of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) spec: Spec,
}

/// Something wrong with the file or one of its entries; the other entries can be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    place: String,
    entry: Option<String>,
    what: String,
    remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(entry) = &self.entry {
            write!(f, "{entry}: ")?;
        }
        write!(f, "{}\n  remedy: {}", self.what, self.remedy)
    }
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Spanned<String>,
    port: Spanned<u16>,
    root: Spanned<PathBuf>,
}

const EXAMPLE: &str = "[[server]] with id = \"web\", port = 0 and root = \"folder\"";

impl Config {
    /// Reads the file. `is_ours` tells whether a port is taken by the very server that wants it.
    pub(crate) fn load(file: &Path, is_ours: impl Fn(&str, u16) -> bool) -> Self {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                let remedy = match error.kind() {
                    ErrorKind::NotFound => format!("create it with {EXAMPLE}, or name another with --file"),
                    _ => "make it a readable text file, or name another with --file".into(),
                };
                let what = format!("it cannot be read: {error}");
                let problem = Problem { place: shown(file), entry: None, what, remedy };
                return Self { entries: Vec::new(), problems: vec![problem] };
            }
        };
        let mut reader = Reader { file, text: &text, ids: HashMap::new(), ports: HashMap::new(), problems: Vec::new() };
        let entries = reader.entries(is_ours);
        Self { entries, problems: reader.problems }
    }
}

/// Walks through the file and gathers what is wrong.
struct Reader<'t> {
    file: &'t Path,
    text: &'t str,
    /// The line on which an id, and a port, was first seen.
    ids: HashMap<String, usize>,
    ports: HashMap<u16, usize>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn entries(&mut self, is_ours: impl Fn(&str, u16) -> bool) -> Vec<Entry> {
        let document = match DeTable::parse(self.text) {
            Ok(document) => document.into_inner(),
            Err(error) => {
                let what = format!("broken TOML: {}", error.message());
                self.report(
                    error.span(),
                    None,
                    what,
                    "mend this line; until then none of the file's servers is looked at",
                );
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
                        "`server` is not a list".into(),
                        "write [[server]], with two brackets",
                    );
                }
                _ => {
                    let what = format!("unknown key `{}`", key.get_ref());
                    self.report(Some(at), None, what, &format!("remove it; the file holds {EXAMPLE}"));
                }
            }
        }
        if found.is_empty() && self.problems.is_empty() {
            self.report(None, None, "it names no server".into(), &format!("write {EXAMPLE}"));
        }
        found
    }

    fn entry(&mut self, server: Spanned<DeValue<'_>>, is_ours: impl Fn(&str, u16) -> bool) -> Option<Entry> {
        let span = server.span();
        let name = server.get_ref().get("id").and_then(|id| id.get_ref().as_str()).filter(|id| !id.is_empty());
        let name = Some(name.map_or_else(|| "a server without a name".into(), |id| format!("server `{id}`")));
        let Written { id, port, root } = match Written::deserialize(ValueDeserializer::from(server)) {
            Ok(written) => written,
            Err(error) => {
                let remedy = format!("an entry is {EXAMPLE}");
                self.report(error.span().or(Some(span)), name, error.message().into(), &remedy);
                return None;
            }
        };
        let before = self.problems.len();
        self.check_id(&id, name.clone());
        self.check_port(&port, id.get_ref(), name.clone(), is_ours);
        let root = self.check_root(&root, name)?;
        let right = self.problems.len() == before;
        right.then(|| Entry { id: id.into_inner(), spec: Spec { port: port.into_inner(), root } })
    }

    fn check_id(&mut self, id: &Spanned<String>, name: Option<String>) {
        let line = self.line(id.span());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.get_ref().is_empty() {
            self.report(
                Some(id.span()),
                name,
                "its id is empty".into(),
                "give it a name of letters, digits, `-` and `_`",
            );
        } else if !id.get_ref().chars().all(is_plain) || id.get_ref().len() > 64 {
            let what = "its id is not a plain name".into();
            self.report(Some(id.span()), name, what, "use up to 64 letters, digits, `-` and `_`: it names files too");
        } else if let Some(first) = self.ids.get(id.get_ref()) {
            let what = format!("line {first} has this id already");
            self.report(Some(id.span()), name, what, "give one of them another id; the first one is used meanwhile");
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
            let what = format!("line {first} has port {number} already");
            self.report(Some(port.span()), name, what, "give one of them another port, or 0 for any free one");
            return;
        }
        self.ports.insert(number, line);
        if is_ours(id, number) {
            return;
        }
        if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
            let (what, remedy) = match error.kind() {
                ErrorKind::AddrInUse => (
                    format!("port {number} is taken by another program"),
                    "stop that program, or choose another port, or 0 for any free one",
                ),
                ErrorKind::PermissionDenied => {
                    (format!("port {number} needs privileges"), "choose a port above 1023, or 0 for any free one")
                }
                _ => (format!("port {number} cannot be used: {error}"), "choose another port, or 0 for any free one"),
            };
            self.report(Some(port.span()), name, what, remedy);
        }
    }

    fn check_root(&mut self, root: &Spanned<PathBuf>, name: Option<String>) -> Option<PathBuf> {
        let folder = self.file.parent().unwrap_or(Path::new("")).join(root.get_ref());
        let wrong = match folder.canonicalize() {
            Ok(folder) if folder.is_dir() => return Some(folder),
            Ok(_) => format!("{} is not a folder", shown(&folder)),
            Err(error) if error.kind() == ErrorKind::NotFound => format!("there is no folder {}", shown(&folder)),
            Err(error) => format!("the folder {} cannot be used: {error}", shown(&folder)),
        };
        self.report(Some(root.span()), name, wrong, "create the folder, or correct `root`");
        None
    }

    fn report(&mut self, span: Option<Range<usize>>, entry: Option<String>, what: String, remedy: &str) {
        let file = shown(self.file);
        let place = span.map_or_else(|| file.clone(), |span| format!("{file}:{}", self.line(span)));
        self.problems.push(Problem { place, entry, what, remedy: remedy.into() });
    }

    fn line(&self, span: Range<usize>) -> usize {
        self.text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// A path as the user would write it: from where he stands, if it is below.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    below.filter(|path| !path.as_os_str().is_empty()).unwrap_or_else(|| path.to_path_buf()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads a file with a folder `here` beside it; problems as text, with the path cut off.
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
            "/nowhere/s.toml: it cannot be read: No such file or directory (os error 2)\n  remedy: create it with \
             [[server]] with id = \"web\", port = 0 and root = \"folder\", or name another with --file"
        );
    }

    #[test]
    fn invalid_toml_names_its_line() {
        let (entries, problems) = load(&format!("{GOOD}[[server]]\nid = \"b\nport = 0\n"), false);
        assert_eq!(entries, []);
        assert_eq!(
            problems,
            "s.toml:6: broken TOML: invalid basic string, expected `\"`\n  remedy: mend this line; until then none of \
             the file's servers is looked at"
        );
    }

    #[test]
    fn a_file_without_servers_is_an_error() {
        let (_, problems) = load("# nothing\n", false);
        assert!(problems.starts_with("s.toml: it names no server\n  remedy: write [[server]]"), "{problems}");
        let (_, problems) = load("[server]\nid = \"x\"\n", false);
        assert!(problems.contains("s.toml:1: `server` is not a list"), "{problems}");
    }

    #[test]
    fn an_invalid_entry_leaves_the_others_valid() {
        let text = format!(
            "colour = 1\n{GOOD}\
             [[server]]\nid = \"typo\"\nport = 0\nrot = \"here\"\n\
             [[server]]\nid = \"good\"\nport = 0\nroot = \"here\"\n\
             [[server]]\nid = \"\"\nport = 0\nroot = \"here\"\n\
             [[server]]\nid = \"a/b\"\nport = 0\nroot = \"here\"\n\
             [[server]]\nid = \"lost\"\nport = 0\nroot = \"gone\"\n\
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
                "s.toml:11: server `good`: line 3 has this id already",
                "s.toml:15: a server without a name: its id is empty",
                "s.toml:19: server `a/b`: its id is not a plain name",
                "s.toml:25: server `lost`: there is no folder gone",
                "s.toml:29: server `file`: s.toml is not a folder",
                "s.toml:32: server `big`: invalid value: integer `70000`, expected u16",
                "s.toml:34: a server without a name: missing field `id`",
            ]
        );
        assert_eq!(problems.lines().filter(|line| line.starts_with("  remedy: ")).count(), heads.len());
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
                "s.toml:7: server `late`: port {port} is taken by another program\n  remedy: stop that program, or \
                 choose another port, or 0 for any free one"
            )
        );
        let (entries, problems) = load(&text, true);
        assert_eq!((ids(&entries), problems.as_str()), (vec!["good", "late"], ""));
        let (entries, problems) = load(&format!("{text}{}", text.replace("late", "twin").replace("good", "g2")), true);
        assert_eq!(ids(&entries), ["good", "late", "g2"]);
        assert!(problems.contains(&format!("server `twin`: line 7 has port {port} already")), "{problems}");
    }
}
