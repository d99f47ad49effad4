//! Every variable of generated code is kept apart from the user's scope: see `expand/hygiene.rs`.

use std::{collections::BTreeSet, fs, path::Path};

use syn::{Item, ItemMod, PatIdent, UseTree, visit::Visit};

/// The variables and the imports by name of one module, without those further in.
#[derive(Default)]
struct Names {
    variables: BTreeSet<String>,
    imported: BTreeSet<String>,
    has_glob: bool,
    inner: Vec<Names>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.variables.insert(pattern.ident.to_string());
        syn::visit::visit_pat_ident(self, pattern);
    }

    fn visit_use_tree(&mut self, tree: &'ast UseTree) {
        match tree {
            UseTree::Rename(import) => drop(self.imported.insert(import.rename.to_string())),
            UseTree::Glob(_) => self.has_glob = true,
            _ => syn::visit::visit_use_tree(self, tree),
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let mut inner = Self::default();
        syn::visit::visit_item_mod(&mut inner, module);
        self.inner.push(inner);
    }
}

impl Names {
    fn check(&self, file: &str) {
        // A capital letter begins the pattern of a unit-like state.
        let open = |name: &&String| {
            !name.starts_with("__") && !name.starts_with(char::is_uppercase) && !self.imported.contains(*name)
        };
        let unprotected: Vec<_> = self.variables.iter().filter(open).collect();
        assert!(
            !self.has_glob || unprotected.is_empty(),
            "{file}: add these to `VARIABLES`, or prefix them with `__`: {unprotected:?}"
        );
        self.inner.iter().for_each(|inner| inner.check(file));
    }
}

#[test]
fn no_variable_can_clash_with_the_users_scope() {
    for file in ["plain.rs", "with_data.rs", "with_context.rs", "durable.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(file);
        let parsed = syn::parse_file(&fs::read_to_string(path).expect("the snapshot")).expect("Rust code");
        for item in &parsed.items {
            let Item::Mod(module) = item else { continue };
            let mut names = Names::default();
            syn::visit::visit_item_mod(&mut names, module);
            names.check(file);
        }
    }
}
