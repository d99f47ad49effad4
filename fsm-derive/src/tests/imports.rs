//! Which modules of this crate import which: the phases in one direction, and no cycle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{Item, UseTree};

/// The phases in their order. Each imports only those before it.
const PHASES: [&str; 6] = ["parse", "model", "check", "normalize", "diagram", "expand"];

/// The modules that each module imports, by their paths.
type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

fn read(folder: &Path, module: &[String], imports: &mut Imports) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let inner: Vec<_> = module.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() && name != "tests" {
            read(&path, &inner, imports);
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "lib" && name != "tests" {
            let of = if name == "mod" { module.to_vec() } else { inner };
            let file = syn::parse_file(&fs::read_to_string(&path).expect("it is text")).expect("it is Rust");
            let mut used = Vec::new();
            for item in &file.items {
                if let Item::Use(item) = item {
                    paths(&item.tree, &mut Vec::new(), &mut used);
                }
            }
            imports.entry(of.clone()).or_default().extend(used.iter().filter_map(|path| absolute(&of, path)));
        }
    }
}

fn paths(tree: &UseTree, before: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            paths(&path.tree, before, out);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| paths(tree, before, out)),
        UseTree::Name(name) => out.push(before.iter().cloned().chain([name.ident.to_string()]).collect()),
        UseTree::Rename(name) => out.push(before.iter().cloned().chain([name.ident.to_string()]).collect()),
        UseTree::Glob(_) => out.push(before.clone()),
    }
}

/// A path from the root of the crate; `None` for one of another crate or of a child.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let up = path.iter().take_while(|segment| *segment == "super").count();
    match path.first().map(String::as_str) {
        Some("crate") => Some(path[1..].to_vec()),
        Some("super") => Some([&module[..module.len() - up], &path[up..]].concat()),
        _ => None,
    }
}

/// The longest known module that `path` begins with.
fn module<'i>(imports: &'i Imports, path: &[String]) -> Option<&'i Vec<String>> {
    let found = (0..=path.len()).rev().find_map(|length| imports.get_key_value(&path[..length]));
    found.map(|(module, _)| module)
}

fn all() -> Imports {
    let mut imports = Imports::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut imports);
    assert!(imports.len() > 30, "{imports:?}");
    imports
}

#[test]
fn a_phase_imports_only_earlier_ones() {
    for (from, paths) in &all() {
        let phase = |module: &[String]| PHASES.iter().position(|phase| module.first().is_some_and(|it| it == phase));
        for path in paths {
            if let Some(to) = phase(path) {
                let late = phase(from).is_none_or(|from| from < to);
                assert!(!late, "{} imports {}", from.join("::"), path.join("::"));
            }
        }
    }
}

#[test]
fn no_modules_import_each_other() {
    let imports = all();
    let next = |from: &Vec<String>| -> BTreeSet<&Vec<String>> {
        let to = imports[from].iter().filter_map(|path| module(&imports, path));
        // A parent declares its children, and they may use its types.
        to.filter(|to| *to != from && !from.starts_with(to)).collect()
    };
    for start in imports.keys() {
        let (mut seen, mut open) = (BTreeSet::new(), next(start).into_iter().collect::<Vec<_>>());
        while let Some(at) = open.pop() {
            assert_ne!(at, start, "`{}` imports itself through others", start.join("::"));
            if seen.insert(at) {
                open.extend(next(at));
            }
        }
    }
}
