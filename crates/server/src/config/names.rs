//! Which options are there: the table in `options.txt`, and what a mistyped name may have meant.

use std::sync::LazyLock;

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionName {
    /// Its name, dotted if it stands inside an object.
    pub(crate) name: &'static str,
    /// Its environment variable.
    pub(crate) variable: Option<&'static str>,
    /// How its text in the environment is read.
    pub(crate) kind: Kind,
    /// Why it cannot be obeyed.
    pub(crate) refused: Option<&'static str>,
}

/// How the text of an environment variable is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As it is.
    Text,
    /// As a number.
    Number,
    /// `true` and `1` are true.
    Flag,
    /// By commas, or as JSON.
    List,
    /// As JSON.
    Json,
    /// As JSON if it is JSON, else as it is.
    Any,
}

/// Every option.
pub(crate) static ALL: LazyLock<Vec<OptionName>> =
    LazyLock::new(|| include_str!("options.txt").lines().filter_map(row).collect());

fn row(line: &'static str) -> Option<OptionName> {
    let mut words = line.splitn(4, ' ').filter(|_| !line.starts_with('#'));
    let (name, variable) = (words.next()?, words.next()?);
    let kind = match words.next()? {
        "text" => Kind::Text,
        "number" => Kind::Number,
        "flag" => Kind::Flag,
        "list" => Kind::List,
        "json" => Kind::Json,
        _ => Kind::Any,
    };
    Some(OptionName { name, variable: (variable != "-").then_some(variable), kind, refused: words.next() })
}

/// Whether there is an option of this name.
pub(crate) fn is_known(name: &str) -> bool {
    ALL.iter().any(|option| option.name == name)
}

/// Why an option cannot be obeyed, as the end of a sentence.
pub(crate) fn refused(name: &str) -> Option<&'static str> {
    ALL.iter().find(|option| option.name == name)?.refused
}

/// Whether an option is a list of objects whose keys are options too.
pub(crate) fn is_list(name: &str) -> bool {
    ALL.iter().any(|option| option.name.strip_prefix(name).is_some_and(|rest| rest.starts_with("[].")))
}

/// Whether an option is an object, or a list of objects, whose keys are options too.
pub(crate) fn has_parts(name: &str) -> bool {
    ALL.iter().any(|option| option.name.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '['])))
}

/// The name that a mistyped one is most like.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    const LIKENESS_MIN: f64 = 0.8;
    let typed = name.to_lowercase();
    let likeness = |option: &OptionName| strsim::jaro_winkler(&typed, &option.name.to_lowercase());
    ALL.iter()
        .map(|option| (likeness(option), option.name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_read_whole_and_each_name_is_there_once() {
        let lines = include_str!("options.txt").lines().filter(|line| !line.starts_with('#')).count();
        let names: BTreeSet<&str> = ALL.iter().map(|option| option.name).collect();
        let variables: BTreeSet<&str> = ALL.iter().filter_map(|option| option.variable).collect();
        assert_eq!((ALL.len(), names.len()), (lines, lines));
        assert_eq!(variables.len(), ALL.iter().filter(|option| option.variable.is_some()).count());
        let any = include_str!("options.txt").lines().filter(|line| line.split(' ').nth(2) == Some("any")).count();
        assert_eq!(ALL.iter().filter(|option| option.kind == Kind::Any).count(), any);
    }

    #[test]
    fn a_mistyped_name_has_a_nearest_one() {
        for (typed, meant) in [
            ("masterkey", Some("masterKey")),
            ("databaseUrl", Some("databaseURI")),
            ("appID", Some("appId")),
            ("requestComplexity.includeDeph", Some("requestComplexity.includeDepth")),
            ("parsimony.datadir", Some("parsimony.dataDir")),
            ("qqqqq", None),
        ] {
            assert_eq!(nearest(typed), meant);
        }
        assert!(has_parts("requestComplexity") && has_parts("rateLimit") && !has_parts("auth") && !has_parts("port"));
    }
}
