//! Suggestions for unknown names, and lists of names for messages.

/// The end of a message about an unknown name: "; did you mean `Running`?", else all known names, else nothing.
pub(crate) fn nearest<'a>(unknown: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    if let Some(name) = near(unknown, names.iter().copied()) {
        return format!("; did you mean `{name}`?");
    }
    if names.is_empty() { String::new() } else { format!("; expected {}", join(names, "or")) }
}

/// The known name that resembles `unknown` most, if one is close enough.
pub(crate) fn near<'a>(unknown: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut nearest: Option<(usize, &str)> = None;
    for name in names {
        let distance = distance(&unknown.to_lowercase(), &name.to_lowercase());
        let most = (unknown.chars().count().max(name.chars().count()) / 3).max(1);
        if distance <= most && nearest.is_none_or(|(least, _)| distance < least) {
            nearest = Some((distance, name));
        }
    }
    nearest.map(|(_, name)| name)
}

/// `` `a`, `b` and `c` ``
pub(crate) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    join(names, "and")
}

/// `` `a`, `b` or `c` ``
pub(crate) fn join<T: AsRef<str>>(names: impl IntoIterator<Item = T>, word: &str) -> String {
    let mut quoted: Vec<String> = Vec::new();
    for name in names {
        quoted.push(in_backticks(name.as_ref()));
    }
    joined(&quoted, word)
}

fn in_backticks(name: &str) -> String {
    format!("`{name}`")
}

fn joined(names: &[String], word: &str) -> String {
    match names.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
    }
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbors.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substituted.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name() {
        assert_eq!(nearest("Runing", ["Idle", "Running"]), "; did you mean `Running`?");
        assert_eq!(nearest("running", ["Idle", "Running"]), "; did you mean `Running`?");
        assert_eq!(nearest("Ilde", ["Idle", "Running"]), "; did you mean `Idle`?");
    }

    #[test]
    fn lists_all_names_if_none_is_near() {
        assert_eq!(nearest("Zebra", ["Idle", "Running"]), "; expected `Idle` or `Running`");
        assert_eq!(nearest("Zebra", ["Idle"]), "; expected `Idle`");
        assert_eq!(nearest("Zebra", []), "");
    }
}
