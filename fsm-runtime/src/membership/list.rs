//! Lists of nodes: their sources, their syntax, and their checks.

use super::{MembersError, assign::Member};
use std::{collections::HashSet, env, fs, path::PathBuf};

/// The greatest weight. A node of a greater weight would have nearly all buckets.
const MOST: u32 = 1_000;

/// The source of a list.
#[derive(Clone, Debug)]
pub(super) enum ListSource {
    Given(Vec<String>),
    Variable(String),
    File(PathBuf),
}

impl ListSource {
    /// Reads and checks the list. `me` is the name of this node, which must be in the list; `None` for a client.
    pub(super) fn read(&self, me: Option<&str>) -> Result<Vec<Member>, MembersError> {
        let list = self.to_string();
        match self {
            Self::Given(entries) => members(&list, entries.iter().map(|entry| entry.trim()), me),
            Self::Variable(variable) => {
                let unset = |_| MembersError::Unset { variable: variable.clone() };
                members(&list, entries(&env::var(variable).map_err(unset)?), me)
            }
            Self::File(file) => {
                let unreadable = |cause| MembersError::Unreadable { file: file.clone(), cause };
                members(&list, entries(&fs::read_to_string(file).map_err(unreadable)?), me)
            }
        }
    }
}

impl std::fmt::Display for ListSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(_) => f.write_str("the list of nodes in `Members::listed`"),
            Self::Variable(variable) => write!(f, "the list of nodes in the variable `{variable}`"),
            Self::File(file) => write!(f, "the list of nodes in the file {}", file.display()),
        }
    }
}

/// The entries of a text, which are separated by white space and commas. Comments begin with `#` and end with the line.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(|line| line.split([',', ' ', '\t'])).map(str::trim).filter(|entry| !entry.is_empty())
}

fn members<'a>(
    list: &str,
    entries: impl Iterator<Item = &'a str>,
    me: Option<&str>,
) -> Result<Vec<Member>, MembersError> {
    let mut members = entries.map(|entry| member(list, entry)).collect::<Result<Vec<Member>, MembersError>>()?;
    let list = || list.to_owned();
    if members.is_empty() {
        return Err(MembersError::Empty { list: list() });
    }
    let mut names = HashSet::new();
    if let Some(twice) = members.iter().find(|member| !names.insert(&member.name)) {
        return Err(MembersError::Twice { list: list(), node: twice.name.clone() });
    }
    if let Some(node) = me.filter(|me| !members.iter().any(|member| member.name == *me)) {
        let nodes = members.into_iter().map(|member| member.name).collect();
        return Err(MembersError::WithoutSelf { list: list(), node: node.to_owned(), nodes });
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

fn member(list: &str, entry: &str) -> Result<Member, MembersError> {
    let wrong = |why| MembersError::Entry { list: list.to_owned(), entry: entry.to_owned(), why };
    let (name, weight) = match entry.split_once('=') {
        None => (entry, 1),
        Some((name, weight)) => {
            let weight = weight.trim().parse().ok().filter(|weight| (1..=MOST).contains(weight));
            (name.trim_end(), weight.ok_or_else(|| wrong("a weight is a whole number from 1 to 1,000"))?)
        }
    };
    if name.is_empty() {
        return Err(wrong("the name is missing"));
    }
    Ok(Member { name: name.to_owned(), weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, u32)>, String> {
        let members = members("the list", entries(text), Some("b"));
        let pairs = members.map(|members| members.into_iter().map(|it| (it.name, it.weight)).collect());
        pairs.map_err(|error| error.to_string())
    }

    #[test]
    fn entries_are_separated_by_commas_and_white_space() {
        let expected = [("a", 1), ("b", 3), ("c", 1)].map(|(name, weight)| (name.to_owned(), weight));
        for text in ["c, b=3,a", "a\nb=3 # the large one\n\n# c is new\n\tc\r\n"] {
            assert_eq!(read(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_list_is_refused_with_the_way_out() {
        let why = |text: &str| read(text).unwrap_err();
        assert_eq!(why(" # none\n"), "the list is empty; list the names of all nodes, this one included");
        assert_eq!(
            why("a,c"),
            "the list does not have this node, `b`, but only `a`, `c`; add it, or name this node with `FSM_NODE` or `Builder::node`"
        );
        assert_eq!(why("b,a,b"), "the list has the node `b` twice; its share is set by a weight, as in `b=2`");
        let weight = "a weight is a whole number from 1 to 1,000; write the name of a node, or `name=weight`";
        for entry in ["b=0", "b=1001", "b=x", "b="] {
            assert_eq!(why(entry), format!("the list has the entry `{entry}`: {weight}"));
        }
        assert!(why("=2").contains("`=2`: the name is missing"));
    }
}
