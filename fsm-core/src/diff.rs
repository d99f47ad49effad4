//! A line-by-line diff of two texts, for the messages of tests that compare files.
//!
//! It uses the longest common subsequence. A crate for it would be a dependency of every crate that declares a machine.

use alloc::{format, string::String, vec, vec::Vec};

/// The number of unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// The removed lines (`-`) and the added lines (`+`), with some unchanged lines around them.
#[must_use]
#[inline]
pub fn diff(old: &str, new: &str) -> String {
    let lines = lines(old, new);
    let changed: Vec<_> = (0..lines.len()).filter(|index| lines[*index].0 != ' ').collect();
    let near = |index: usize| changed.iter().any(|changed| changed.abs_diff(index) <= CONTEXT);
    let mut out = Vec::new();
    let mut omitted = false;
    for (index, (mark, line)) in lines.iter().enumerate() {
        if near(index) {
            out.push(format!("{mark} {line}"));
        } else if !omitted {
            out.push(String::from("  …"));
        }
        omitted = !near(index);
    }
    out.join("\n")
}

#[inline]
fn lines<'a>(old: &'a str, new: &'a str) -> Vec<(char, &'a str)> {
    let (old, new): (Vec<_>, Vec<_>) = (old.trim().lines().collect(), new.trim().lines().collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            common[i][j] = if a == b { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                out.push((' ', *a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || common[i + 1][j] >= common[i][j + 1] => {
                out.push(('-', *a));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(('+', *b));
                j += 1;
            }
            (_, None) => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diff_is_the_shortest() {
        assert_eq!(diff("a\nb\nc", "b\nx\nc\nd"), "- a\n  b\n+ x\n  c\n+ d");
    }

    #[test]
    fn lines_far_from_changes_are_omitted() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13";
        let expected = "  …\n  3\n  4\n  5\n- 6\n+ six\n  7\n  8\n  9\n  …";
        assert_eq!(diff(old, &old.replace("6\n", "six\n")), expected);
    }
}
