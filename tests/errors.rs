//! Checks the documentation of errors.
//!
//! Every message of the derive is in a compile-fail case. Every error of a case has an entry in `docs/errors.md`, and every entry
//! names a case with that error. Every variant of a public error enum of `fsm-runtime` has a row in a table, with its meaning and a
//! remedy.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The error messages in the output of the compiler. `error: ` is stripped, because the page omits it for messages of the derive.
fn headlines(stderr: &str) -> impl Iterator<Item = &str> {
    let errors = stderr.lines().filter(|line| line.starts_with("error"));
    errors.map(|line| line.strip_prefix("error: ").unwrap_or(line))
}

/// The message without the details of an example: names in backticks and quotes, numbers, suggestions and paths.
fn pattern(headline: &str) -> String {
    let headline = headline.strip_prefix("error: ").unwrap_or(headline);
    let outside = |quote: char, text: &str| text.split(quote).step_by(2).collect::<Vec<_>>().join(&quote.to_string());
    let mut pattern = outside('"', &outside('`', headline));
    for end in ["; did you mean", "; expected "] {
        pattern.truncate(pattern.find(end).unwrap_or(pattern.len()));
    }
    for list in ["`, `", "` or `", "` and `"] {
        pattern = pattern.replace(list, "`");
    }
    if let Some((before, path)) = pattern.split_once(": ")
        && path.contains(" → ")
    {
        return before.to_owned();
    }
    let words = pattern.split(' ').map(|word| if word.parse::<u32>().is_ok() { "N" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// The headline and the case of each entry.
fn entries(page: &str) -> Vec<(&str, &str)> {
    let sections = page.split("\n### ").skip(1);
    sections
        .map(|section| {
            let headline = section.lines().next().unwrap_or_default();
            let case = section.split_once("](../").and_then(|(_, rest)| rest.split_once(')'));
            (headline, case.unwrap_or_else(|| panic!("`{headline}` names no case")).0)
        })
        .collect()
}

#[test]
fn compile_errors_and_their_entries_match() {
    let page = text(&repository().join("docs/errors.md"));
    let entries = entries(&page);
    let known: BTreeSet<_> = entries.iter().map(|(headline, _)| pattern(headline)).collect();
    let mut problems = Vec::new();
    let mut cases = 0;
    for folder in ["declare", "misuse", "durable"] {
        let folder = repository().join("tests/ui").join(folder);
        for file in fs::read_dir(&folder).expect("the folder exists") {
            let file = file.expect("the folder can be read").path();
            if file.extension().is_none_or(|extension| extension != "stderr") {
                continue;
            }
            cases += 1;
            for headline in headlines(&text(&file)).filter(|headline| !known.contains(&pattern(headline))) {
                problems.push(format!("{}: no entry for `{headline}`", file.display()));
            }
        }
    }
    for (headline, case) in &entries {
        let shown = text(&repository().join(case));
        if !headlines(&shown).any(|shown| pattern(shown) == pattern(headline)) {
            problems.push(format!("`{headline}` is not in {case}"));
        }
    }
    assert!(cases > 40, "only {cases} cases were found");
    let distinct: BTreeSet<_> = entries.iter().map(|(headline, _)| headline).collect();
    assert_eq!(distinct.len(), entries.len(), "an entry is repeated");
    assert!(problems.is_empty(), "docs/errors.md and the cases differ:\n{}", problems.join("\n"));
}

/// The text of each literal in `tokens`, without doc comments and modules of tests.
fn literals(tokens: proc_macro2::TokenStream, out: &mut Vec<String>) {
    use proc_macro2::TokenTree;
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (i, token) in tokens.iter().enumerate() {
        let before = |back: usize| i.checked_sub(back).map(|at| tokens[at].to_string()).unwrap_or_default();
        match token {
            TokenTree::Group(_) if before(1) == "#" || before(2) == "#" || before(2) == "mod" => {}
            TokenTree::Group(group) => literals(group.stream(), out),
            TokenTree::Literal(literal) => {
                out.extend(syn::parse_str::<syn::LitStr>(&literal.to_string()).map(|text| text.value()));
            }
            _ => {}
        }
    }
}

/// Whether the fixed parts of `message`, outside of `{…}`, are in `line` in their order.
fn is_in(message: &str, line: &str) -> bool {
    let message = message.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut rest = Some(line);
    for (index, part) in message.split('{').enumerate() {
        let fixed = if index == 0 { part } else { part.split_once('}').map_or("", |(_, fixed)| fixed) };
        let fixed = fixed.replace('\u{1}', "{").replace('\u{2}', "}");
        rest = rest.and_then(|rest| rest.split_once(&*fixed)).map(|(_, rest)| rest);
    }
    rest.is_some()
}

#[test]
fn every_message_of_the_derive_is_in_a_case() {
    let mut cases = String::new();
    for folder in ["declare", "misuse", "durable"] {
        for file in fs::read_dir(repository().join("tests/ui").join(folder)).expect("the folder exists") {
            let path = file.expect("the folder can be read").path();
            if path.extension().is_some_and(|extension| extension == "stderr") {
                cases.push_str(&text(&path));
            }
        }
    }
    let shown: Vec<_> = headlines(&cases).collect();
    let (mut messages, mut files) = (0, Vec::new());
    for phase in ["parse", "model", "check"] {
        sources(&repository().join("fsm-derive/src").join(phase), &mut files);
    }
    let mut problems = Vec::new();
    for file in &files {
        let mut found = Vec::new();
        literals(text(file).parse().expect("it is Rust"), &mut found);
        for message in found.iter().filter(|text| text.matches(' ').count() > 2) {
            messages += 1;
            if !shown.iter().any(|line| is_in(message, line)) {
                problems.push(format!("{}: no case of `{message}`", file.display()));
            }
        }
    }
    assert!(messages > 80, "only {messages} messages were found");
    assert!(problems.is_empty(), "messages without a case:\n{}", problems.join("\n"));
}

#[test]
fn errors_in_the_reference_have_an_entry() {
    let page = text(&repository().join("docs/errors.md"));
    let known: BTreeSet<_> = entries(&page).iter().map(|(headline, _)| pattern(headline)).collect();
    let reference = text(&repository().join("docs/reference.md"));
    let shown: Vec<_> = headlines(&reference).collect();
    let failing = reference.matches("```rust,compile_fail").count();
    assert!(failing > 20 && shown.len() >= failing, "an example that does not compile lacks its output");
    for headline in shown {
        assert!(known.contains(&pattern(headline)), "docs/errors.md has no entry for `{headline}`");
    }
}

/// The pages with tables of run-time errors, and the part of a source path that assigns its errors to a page.
const PAGES: [(&str, &str); 4] = [
    ("docs/supervisor.md", "/supervisor/"),
    ("docs/testing.md", "/snapshot/"),
    ("docs/postgres.md", "/store/postgres/"),
    ("docs/operations.md", "/"),
];

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether one of the attributes lists `word`, as in `#[derive(Error)]` or `#[error(transparent)]`.
fn lists(attributes: &[syn::Attribute], attribute: &str, word: &str) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|it| it.path().is_ident(attribute)) {
        // Other content, such as a message, is not a list of paths.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|last| last.ident == word);
            Ok(())
        });
    }
    found
}

/// `Enum::Variant` for each error, except variants that wrap another error enum.
fn declared(file: &syn::File) -> Vec<String> {
    let implements_error = |name: &syn::Ident| {
        file.items.iter().any(|item| match item {
            syn::Item::Impl(item) => {
                let of_error = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == "Error");
                let is_it = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == *name);
                item.trait_.as_ref().is_some_and(|(path, _)| of_error(path))
                    && matches!(&*item.self_ty, syn::Type::Path(path) if is_it(&path.path))
            }
            _ => false,
        })
    };
    let mut declared = Vec::new();
    for item in &file.items {
        let syn::Item::Enum(item) = item else { continue };
        let is_public = matches!(item.vis, syn::Visibility::Public(_));
        if !is_public || !(lists(&item.attrs, "derive", "Error") || implements_error(&item.ident)) {
            continue;
        }
        for variant in &item.variants {
            let wraps = lists(&variant.attrs, "error", "transparent")
                || matches!(variant.ident.to_string().as_str(), "Row" | "Store");
            if !wraps {
                declared.push(format!("{}::{}", item.ident, variant.ident));
            }
        }
    }
    declared
}

/// `Enum::Variant` for each error in a table, with the remaining cells of its row.
fn rows(page: &str) -> Vec<(String, Vec<&str>)> {
    let mut rows = Vec::new();
    let mut in_table = false;
    for line in page.lines() {
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            in_table = false;
            continue;
        };
        let mut cells = cells.split(" | ");
        let first = cells.next().unwrap_or_default();
        if first == "error" {
            in_table = true;
        } else if in_table && !first.starts_with("---") {
            let cells: Vec<_> = cells.collect();
            let mut of = "";
            for name in first.split('`').skip(1).step_by(2) {
                let variant = match name.split_once("::") {
                    Some((owner, variant)) => {
                        of = owner;
                        variant
                    }
                    None => name,
                };
                rows.push((format!("{of}::{variant}"), cells.clone()));
            }
        }
    }
    rows
}

#[test]
fn run_time_errors_have_a_row_with_a_remedy() {
    let mut files = Vec::new();
    sources(&repository().join("fsm-runtime/src"), &mut files);
    let mut declared_on = PAGES.map(|_| BTreeSet::new());
    for path in &files {
        let file = syn::parse_file(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let page = PAGES.iter().position(|(_, part)| path.to_string_lossy().contains(part));
        declared_on[page.expect("the last page matches every path")].extend(declared(&file));
    }
    let mut problems = Vec::new();
    for ((page, _), declared) in PAGES.iter().zip(&declared_on) {
        let text = text(&repository().join(page));
        let rows = rows(&text);
        let named: BTreeSet<_> = rows.iter().map(|(name, _)| name.clone()).collect();
        problems.extend(declared.difference(&named).map(|name| format!("{page}: no row for `{name}`")));
        problems.extend(named.difference(declared).map(|name| format!("{page}: there is no `{name}`")));
        for (name, cells) in &rows {
            if cells.len() != 2 || cells.iter().any(|cell| cell.trim().len() < 5) {
                problems.push(format!("{page}: `{name}` lacks its meaning or remedy"));
            }
        }
    }
    assert!(declared_on.iter().map(BTreeSet::len).sum::<usize>() > 60, "the enums were not found: {declared_on:?}");
    assert!(problems.is_empty(), "the tables and the enums differ:\n{}", problems.join("\n"));
}
