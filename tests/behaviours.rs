//! `tests/BEHAVIOURS.md` against the tests: every code in a name has a row, and every row lists exactly the tests with its code.
//! A row without a test states its reason. Names of all tests are short.
//!
//! `FSM_UPDATE=1 cargo test -p tests --test behaviours` rewrites the lists of tests in the file; the sentences are written by hand.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const FILE: &str = "tests/BEHAVIOURS.md";
const CRATES: [&str; 5] = ["fsm-core", "fsm-derive", "fsm-runtime", "examples", "tests"];
const LONGEST_NAME: usize = 59;
/// Each `pub async fn` here is a promise, of which `store_contract!` makes a test.
const CONTRACT: &str = "fsm-runtime/src/store/contract";
/// Has no test harness: its constants hold the names of its tests.
const CRASH: &str = "tests/crash/main.rs";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust files below `folder`, but for compile-fail cases, which need not be Rust.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("ui") {
                sources(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether the tokens of an attribute are `test`, `tokio::test` or `tokio::test(…)`.
fn marks_a_test(attribute: &TokenStream) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "test" || text.starts_with("tokio::test")
}

/// The names of the test functions, those inside macros such as `proptest!` too.
fn functions(tokens: TokenStream, names: &mut Vec<String>) {
    let mut is_test = false;
    let mut previous = String::new();
    for tree in tokens {
        match &tree {
            TokenTree::Group(group) => {
                if previous == "#" && group.delimiter() == Delimiter::Bracket {
                    is_test |= marks_a_test(&group.stream());
                } else {
                    functions(group.stream(), names);
                }
            }
            TokenTree::Ident(name) if is_test && previous == "fn" => {
                names.push(name.to_string());
                is_test = false;
            }
            // A parameter of a macro: the name is at its call.
            TokenTree::Punct(dollar) if previous == "fn" && dollar.as_char() == '$' => is_test = false,
            _ => {}
        }
        previous = tree.to_string();
    }
}

/// The promises that a file of the store contract defines.
fn promises(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("Rust");
    let functions = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Fn(function) if matches!(function.vis, syn::Visibility::Public(_)) => Some(function.sig),
        _ => None,
    });
    functions.filter(|it| it.asyncness.is_some()).map(|it| it.ident.to_string()).collect()
}

/// The values of the text constants of a file.
fn constants(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("Rust");
    let values = file.items.into_iter().filter_map(|item| match item {
        syn::Item::Const(constant) => match *constant.expr {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(value), .. }) => Some(value.value()),
            _ => None,
        },
        _ => None,
    });
    values.collect()
}

/// `path` and name of each test of the repository.
fn tests() -> Vec<(String, String)> {
    let repository = repository();
    let mut files = Vec::new();
    for folder in CRATES {
        sources(&repository.join(folder), &mut files);
    }
    files.sort();
    let mut tests = Vec::new();
    for file in files {
        let path = file.strip_prefix(&repository).expect("it is below").to_string_lossy().replace('\\', "/");
        let source = text(&file);
        let mut names = Vec::new();
        if path == CRASH {
            names = constants(&source);
        } else if Path::new(&path).parent() == Some(Path::new(CONTRACT)) && !path.ends_with("/mod.rs") {
            names = promises(&source);
        } else {
            functions(source.parse().unwrap_or_else(|error| panic!("{path}: {error}")), &mut names);
        }
        tests.extend(names.into_iter().map(|name| (path.clone(), name)));
    }
    assert!(tests.len() > 500, "only {} tests were found", tests.len());
    tests
}

/// The codes that a name begins with, in capitals: `C1` and `C3` of `c1_c3_workers_never_overlap`.
fn codes(name: &str) -> Vec<String> {
    let is_code = |part: &&str| {
        let number = part.strip_prefix(|letter: char| letter.is_ascii_lowercase()).unwrap_or_default();
        let number = number.strip_suffix('b').unwrap_or(number);
        !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit())
    };
    name.split('_').take_while(is_code).map(|code| code[..1].to_uppercase() + &code[1..]).collect()
}

/// The code of a line that begins a row: `- **S1** Children start …`.
fn row(line: &str) -> Option<&str> {
    line.strip_prefix("- **").and_then(|rest| rest.split_once("** ")).map(|(code, _)| code)
}

/// Whether the line of a row states why it has no test.
fn states_a_reason(line: &str) -> bool {
    line.split_once("*No test:* ").is_some_and(|(_, reason)| !reason.is_empty())
}

/// The lines of the file without the lists of tests, each row followed by the tests in `found`.
fn written(page: &str, found: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut written = String::new();
    let mut current: Option<&str> = None;
    for line in page.lines().filter(|line| !line.starts_with("  - `")).chain([""]) {
        if let Some(code) = current
            && !line.starts_with("  ")
        {
            for test in found.get(code).into_iter().flatten() {
                writeln!(written, "  - `{test}`").expect("a text takes it");
            }
            current = None;
        }
        written.push_str(line);
        written.push('\n');
        current = row(line).or(current);
    }
    written.truncate(written.trim_end().len());
    written.push('\n');
    written
}

#[test]
fn every_code_has_a_row_and_every_row_its_tests() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, name) in tests() {
        for code in codes(&name) {
            found.entry(code).or_default().insert(format!("{path}::{name}"));
        }
    }
    let file = repository().join(FILE);
    let page = text(&file);
    let lines: Vec<&str> = page.lines().filter(|line| row(line).is_some()).collect();
    let rows: Vec<&str> = lines.iter().copied().filter_map(row).collect();
    let mut problems = Vec::new();
    for code in found.keys().filter(|code| !rows.contains(&code.as_str())) {
        problems.push(format!("no row for {code}: {:?}", found[code]));
    }
    for (place, code) in rows.iter().enumerate() {
        match (found.contains_key(*code), states_a_reason(lines[place])) {
            (false, false) => problems.push(format!("no test of {code}, and no reason after `*No test:*`")),
            (true, true) => problems.push(format!("{code} has a test, and a reason why it has none")),
            _ => {}
        }
        if rows[..place].contains(code) {
            problems.push(format!("{code} has two rows"));
        }
    }
    assert!(problems.is_empty(), "{FILE} and the tests differ:\n{}", problems.join("\n"));

    let expected = written(&page, &found);
    if expected == page {
        return;
    }
    if std::env::var_os("FSM_UPDATE").is_some_and(|update| update == "1") {
        fs::write(&file, expected).expect("the file can be written");
        return;
    }
    let (listed, named): (BTreeSet<&str>, BTreeSet<&str>) = (page.lines().collect(), expected.lines().collect());
    let missing = named.difference(&listed).map(|line| format!("not listed: {line}"));
    let unknown = listed.difference(&named).map(|line| format!("not a test of its row: {line}"));
    let problems: Vec<String> = missing.chain(unknown).collect();
    panic!("{FILE} is out of date; run with FSM_UPDATE=1 and review the difference:\n{}", problems.join("\n"));
}

#[test]
fn names_of_tests_are_short() {
    let tests = tests().into_iter().filter(|(_, name)| name.len() > LONGEST_NAME);
    let long: Vec<String> = tests.map(|(path, name)| format!("{path}::{name} ({})", name.len())).collect();
    assert!(long.is_empty(), "names with more than {LONGEST_NAME} characters:\n{}", long.join("\n"));
}

#[test]
fn every_promise_of_the_store_contract_has_a_test() {
    let folder = repository().join(CONTRACT);
    let mut defined = BTreeSet::new();
    for entry in fs::read_dir(&folder).expect("the contract is there") {
        let path = entry.expect("the folder can be read").path();
        if !path.ends_with("mod.rs") {
            defined.extend(promises(&text(&path)));
        }
    }
    let source = text(&folder.join("mod.rs"));
    let mut listed = BTreeSet::new();
    for beginning in ["{ @$form ($open)", "{ @tests ($open)"] {
        let list = source.split_once(beginning).and_then(|(_, rest)| rest.split_once('}'));
        let list = list.expect("the lists in `store_contract!` and `own_clock_contract!`").0;
        listed.extend(list.split_whitespace().map(str::to_owned));
    }
    assert_eq!(listed, defined, "`store_contract!` and `own_clock_contract!` list every promise");
}
