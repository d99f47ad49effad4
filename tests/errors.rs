//! `docs/errors.md` against the compile-fail cases: every error of a case has an entry, and every entry a case that shows it.

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

/// The headlines of a compiler's output. `error: ` alone is said of all of the derive's, and left out.
fn headlines(stderr: &str) -> impl Iterator<Item = &str> {
    let errors = stderr.lines().filter(|line| line.starts_with("error"));
    errors.map(|line| line.strip_prefix("error: ").unwrap_or(line))
}

/// The headline without what belongs to an example: names in backticks and quotes, how many, numbers, hints, ways.
fn pattern(headline: &str) -> String {
    let headline = headline.strip_prefix("error: ").unwrap_or(headline);
    let outside = |quote: char, text: &str| text.split(quote).step_by(2).collect::<Vec<_>>().join(&quote.to_string());
    let mut pattern = outside('"', &outside('`', headline));
    for end in ["; did you mean", "; there are"] {
        pattern.truncate(pattern.find(end).unwrap_or(pattern.len()));
    }
    for list in ["`, `", "` or `", "` and `"] {
        pattern = pattern.replace(list, "`");
    }
    if let Some((before, way)) = pattern.split_once(": ")
        && way.contains(" → ")
    {
        return before.to_owned();
    }
    let words = pattern.split(' ').map(|word| if word.parse::<u32>().is_ok() { "N" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Headline and case of each entry.
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
fn every_error_has_an_entry_and_every_entry_a_case() {
    let page = text(&repository().join("docs/errors.md"));
    let entries = entries(&page);
    let known: BTreeSet<_> = entries.iter().map(|(headline, _)| pattern(headline)).collect();
    let mut problems = Vec::new();
    let mut cases = 0;
    for folder in ["declare", "misuse", "durable"] {
        let folder = repository().join("tests/ui").join(folder);
        for file in fs::read_dir(&folder).expect("the cases are there") {
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
    assert_eq!(distinct.len(), entries.len(), "an entry is there twice");
    assert!(problems.is_empty(), "docs/errors.md and the cases differ:\n{}", problems.join("\n"));
}

#[test]
fn the_reference_shows_errors_that_have_an_entry() {
    let page = text(&repository().join("docs/errors.md"));
    let known: BTreeSet<_> = entries(&page).iter().map(|(headline, _)| pattern(headline)).collect();
    let reference = text(&repository().join("docs/reference.md"));
    let shown: Vec<_> = headlines(&reference).collect();
    let failing = reference.matches("```rust,compile_fail").count();
    assert!(failing > 20 && shown.len() >= failing, "each example that fails shows its output");
    for headline in shown {
        assert!(known.contains(&pattern(headline)), "docs/errors.md has no entry for `{headline}`");
    }
}
