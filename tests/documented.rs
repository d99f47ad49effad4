//! Every option and setting is on its page.

use std::{fs, path::Path};
use syn::{Attribute, ImplItem, Item, Visibility};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The public methods of `of` that take `self` and return it: one for each option.
fn options(file: &str, of: &str) -> Vec<String> {
    let parsed = syn::parse_file(&read(file)).expect("the source is Rust");
    let is_of = |path: &syn::Type| matches!(path, syn::Type::Path(path) if path.path.is_ident(of));
    let mut options = Vec::new();
    for item in &parsed.items {
        let Item::Impl(block) = item else { continue };
        if block.trait_.is_some() || !is_of(&block.self_ty) {
            continue;
        }
        for method in &block.items {
            let ImplItem::Fn(method) = method else { continue };
            let returns_self = matches!(&method.sig.output, syn::ReturnType::Type(_, ty) if matches!(&**ty, syn::Type::Path(path) if path.path.is_ident("Self")));
            let hidden =
                |attribute: &Attribute| attribute.path().is_ident("doc") && quote(attribute).contains("hidden");
            let is_option =
                matches!(method.vis, Visibility::Public(_)) && method.sig.receiver().is_some() && returns_self;
            if is_option && !method.attrs.iter().any(hidden) {
                options.push(method.sig.ident.to_string());
            }
        }
    }
    options
}

fn quote(attribute: &Attribute) -> String {
    attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default()
}

/// The names in the first columns of the tables on a page.
fn rows(page: &str) -> Vec<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    // `policy::<State>` is the method `policy`.
    names.map(|name| name.split("::<").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_option_is_in_a_table() {
    for (file, of, page) in [
        ("fsm-runtime/src/store/postgres/options.rs", "PostgresOptions", "docs/postgres.md"),
        ("fsm-runtime/src/store/sqlite/options.rs", "SqliteOptions", "docs/operations.md"),
        ("fsm-runtime/src/runtime/builder.rs", "Builder", "docs/operations.md"),
        ("fsm-runtime/src/controller/workers/policy.rs", "Policy", "docs/operations.md"),
    ] {
        let (options, rows) = (options(file, of), rows(&read(page)));
        assert!(options.len() > 4, "{file}: {options:?}");
        // `machine` registers a machine, and is no setting.
        let missing = options.iter().filter(|option| *option != "machine" && !rows.contains(option));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new(), "{page} has no row for these methods of `{of}`");
    }
}
