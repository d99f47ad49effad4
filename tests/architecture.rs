//! Imports follow the layers that ARCHITECTURE.md states.
//!
//! Reads the sources with syn. Each `use` and each inline `crate::` or `super::` path counts; `#[cfg(test)]` items do not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::{
    Attribute, Item, UseTree,
    visit::{self, Visit},
};

/// The layers of `fsm-runtime`, lowest first. A module imports from lower layers and from its own folder; modules of one
/// layer do not import each other.
const RUNTIME: &[&[&str]] = &[
    &["panics", "sync", "log"],
    &["backoff", "clock", "codec", "error_kind", "metrics"],
    &["supervisor"],
    &["store"],
    &["store::sqlite", "store::postgres", "machine", "convergence", "membership"],
    &["store::copy"],
    &["engine"],
    &["worker"],
    &["breaker"],
    &["records"],
    &["controller"],
    &["subscription", "snapshot", "coordination"],
    &["runtime"],
];

#[test]
fn runtime_imports_follow_the_layers() {
    let mut errors = Vec::new();
    let macros = macros("fsm-runtime/src");
    for import in imports("fsm-runtime/src") {
        // The crate root re-exports everything, and exported macros are in it.
        if import.from.is_empty() || matches!(&import.to[..], [name] if macros.contains(name)) {
            continue;
        }
        let (from, to) = (layer(RUNTIME, &import.from), layer(RUNTIME, &import.to));
        let allowed = match (from, to) {
            (Some(from), Some(to)) => from == to || from.0 > to.0,
            // A name of the crate root, such as `crate::Durable`, hides its layer.
            _ => false,
        };
        if !allowed {
            errors.push(import.to_string());
        }
    }
    assert!(errors.is_empty(), "imports against the order of the layers:\n{}", errors.join("\n"));
}

#[test]
fn every_runtime_module_has_a_layer() {
    let named: BTreeSet<&str> = RUNTIME.iter().copied().flatten().copied().collect();
    let mut found = BTreeSet::new();
    for file in sources("fsm-runtime/src") {
        if let Some(first) = module_of(&file.0).first() {
            found.insert(first.clone());
        }
    }
    found.extend(["store::sqlite", "store::postgres", "store::copy"].map(str::to_owned));
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(named, found, "the layers name the modules that exist");
}

#[test]
fn derive_modules_have_no_import_cycle() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let modules: BTreeSet<Vec<String>> = sources("fsm-derive/src").iter().map(|file| module_of(&file.0)).collect();
    for import in imports("fsm-derive/src") {
        // A parent declares its children and re-exports from them.
        let to = (0..=import.to.len()).rev().map(|end| import.to[..end].to_vec()).find(|to| modules.contains(to));
        let Some(to) = to.filter(|to| !to.starts_with(&import.from) && !import.from.starts_with(to)) else { continue };
        edges.entry(import.from.join("::")).or_default().insert(to.join("::"));
    }
    if let Some(cycle) = cycle(&edges) {
        panic!("an import cycle: {}", cycle.join(" -> "));
    }
}

#[test]
fn a_cycle_and_an_upward_import_are_found() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert_eq!(cycle(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert!(cycle(&edges(&[("a", "b"), ("b", "c"), ("c", "a")])).is_some());
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    assert!(layer(RUNTIME, &path("store::sqlite::writer")) > layer(RUNTIME, &path("store::row")));
    assert_eq!(layer(RUNTIME, &path("unheard_of")), None);
}

/// One import: the module that has it, and the path that it names.
struct Import {
    file: PathBuf,
    from: Vec<String>,
    to: Vec<String>,
}

impl std::fmt::Display for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: `{}` imports `{}`", self.file.display(), self.from.join("::"), self.to.join("::"))
    }
}

/// The layer of a module and the entry in it: the longest one that the path begins with.
fn layer(layers: &[&'static [&'static str]], path: &[String]) -> Option<(usize, &'static str)> {
    let begins = |entry: &str| {
        let entry: Vec<&str> = entry.split("::").collect();
        path.len() >= entry.len() && entry.iter().zip(path).all(|(a, b)| a == b)
    };
    let found = layers.iter().enumerate().flat_map(|(rank, layer)| layer.iter().map(move |entry| (rank, *entry)));
    found.filter(|(_, entry)| begins(entry)).max_by_key(|(_, entry)| entry.len())
}

fn cycle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|module| module == at) {
            let mut cycle = path[start..].to_vec();
            cycle.push(at.to_owned());
            return Some(cycle);
        }
        if done.contains(at) {
            return None;
        }
        path.push(at.to_owned());
        for next in edges.get(at).into_iter().flatten() {
            if let Some(cycle) = walk(next, edges, path, done) {
                return Some(cycle);
            }
        }
        path.pop();
        done.insert(at.to_owned());
        None
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| walk(start, edges, &mut Vec::new(), &mut done))
}

fn imports(root: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    for (file, source) in sources(root) {
        let parsed = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut collect = Collect { module: module_of(&file), inner: 0, found: BTreeSet::new() };
        collect.visit_file(&parsed);
        let from = module_of(&file);
        imports.extend(collect.found.into_iter().map(|to| Import { file: file.clone(), from: from.clone(), to }));
    }
    assert!(imports.len() > 20, "{root}: imports are found");
    imports
}

/// The macros that the sources under `root` define.
fn macros(root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, source) in sources(root) {
        let parsed = syn::parse_file(&source).unwrap();
        found.extend(parsed.items.iter().filter_map(|item| match item {
            Item::Macro(item) => item.ident.as_ref().map(ToString::to_string),
            _ => None,
        }));
    }
    found
}

/// The sources under `root`, by path from there; files of tests alone are left out.
fn sources(root: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(root);
    let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && name != "tests.rs"
                && name != "log_tests.rs"
            {
                let source = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), source));
            }
        }
    }
    files.sort();
    files
}

fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// Collects the paths into the crate that a file names.
struct Collect {
    module: Vec<String>,
    /// How many inline modules deep.
    inner: usize,
    found: BTreeSet<Vec<String>>,
}

impl Collect {
    /// `path` from the crate's root; `None` where it leads out of the crate.
    fn resolve(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        if first == "crate" {
            return Some(rest.to_vec());
        }
        let up = path.iter().take_while(|segment| *segment == "super").count();
        if up <= self.inner {
            return None;
        }
        let base = self.module.len().checked_sub(up - self.inner)?;
        Some(self.module[..base].iter().chain(&path[up..]).cloned().collect())
    }

    fn add(&mut self, path: &[String]) {
        if let Some(path) = self.resolve(path) {
            self.found.insert(path);
        }
    }

    fn tree(&mut self, tree: &UseTree, prefix: &[String]) {
        let with = |ident: &syn::Ident| [prefix, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) if name.ident == "self" => self.add(prefix),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(name) => self.add(&with(&name.ident)),
            UseTree::Glob(_) => self.add(prefix),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, prefix)),
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Collect {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.inner += 1;
        visit::visit_item_mod(self, module);
        self.inner -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments);
        }
        visit::visit_path(self, path);
    }
}
