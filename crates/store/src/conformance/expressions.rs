//! Which texts does a regular expression find? PCRE's dialect as MongoDB runs it: Unicode text, but classes such as `\w` are
//! ASCII's. Lookaround and back references are left out: a store may refuse what cannot be matched in linear time.

use parsimony_model::query::Pattern;
use parsimony_model::{Constraint, Filter, map};

use super::given::{Table, sorted_ids};
use super::{Behaviours, Fresh, behaviours};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours =
    behaviours![an_expression_finds_what_it_finds_in_mongodb, an_expression_finds_elements_of_lists];

/// The texts, by id.
const TEXTS: &[(&str, &str)] = &[
    ("a", "hello"),
    ("b", "Hello World"),
    ("c", "foo\nbar"),
    ("d", "foo\n"),
    ("e", "x\\Ey"),
    ("f", "1+1=2"),
    ("g", "ünïcode ÄÖ"),
    ("h", "tab\there"),
    ("i", ""),
    ("j", "日本語 テキスト"),
    ("k", "a_b-c"),
    ("l", "١٢٣"),
    ("m", "straße"),
    ("n", "[bracket]"),
    ("o", "\u{a0}nbsp"),
    ("p", "a/b"),
    ("q", "user@example.com"),
    ("r", "# no comment"),
    ("s", "foo\r\nbar"),
];

/// Expressions with their options, and the ids of the texts that each finds.
const CASES: &[(&str, &str, &str)] = &[
    (r"^hel", "", "a"),
    (r"WORLD$", "i", "b"),
    (r"hello", "i", "a b"),
    (r"(?i)HELLO", "", "a b"),
    (r"h e l l o", "x", "a"),
    (r"H E L", "ix", "a b"),
    (r"^bar$", "", ""),
    (r"^bar$", "m", "c s"),
    (r"^foo$", "", "d"),
    (r"^foo$", "m", "c d"),
    (r"foo\z", "", ""),
    (r"foo\nbar", "", "c"),
    (r"foo.bar", "", ""),
    (r"foo.bar", "s", "c"),
    (r"foo..bar", "s", "s"),
    (r"\Aa", "", "k p"),
    (r"^$", "", "i"),
    (r"\Qx\E\\E\Qy\E", "", "e"),
    (r"^\Qx\E\\E", "", "e"),
    (r"\Q1+1\E", "", "f"),
    (r"^\Q1+1=2\E$", "", "f"),
    (r"^\Q# no\E", "", "r"),
    (r"1+1", "", ""),
    (r"\QHELLO\E", "i", "a b"),
    (r"^\w+$", "", "a d"),
    (r"^\W", "", "g j l n o r"),
    (r"\d", "", "f"),
    (r"^\D+$", "", "a b c d e g h j k l m n o p q r s"),
    (r"^[\d+=]+$", "", "f"),
    (r"\s", "", "b c d g h j r s"),
    (r"^\S+$", "", "a d e f k l m n o p q"),
    (r"\bcode", "", "g"),
    (r"\bnbsp\b", "", "o"),
    (r"ü", "", "g"),
    (r"Ü", "i", "g"),
    (r"äö", "i", "g"),
    (r"^.n", "", "g o"),
    (r"日本", "", "j"),
    (r"^.{3} ", "", "j"),
    (r"[ぁ-ん]|[ァ-ン]", "", "j"),
    (r"ss", "i", ""),
    (r"stra.e", "", "m"),
    (r"^\p{Lu}", "", "b"),
    (r"^\p{L}+$", "", "a d m"),
    (r"[[:digit:]]", "", "f"),
    (r"^[[:alpha:]]+$", "", "a d"),
    (r"\x41|\x48", "", "b"),
    (r"\t", "", "h"),
    (r"a\/b", "", "p"),
    (r"b\-c", "", "k"),
    (r"a\_b", "", "k"),
    (r"\[.*\]", "", "n"),
    (r"]$", "", "n"),
    (r"^[^a-z]", "", "b f g j l n o r"),
    (r"^[^a-z]", "i", "f g j l n o r"),
    (r"hello|foo", "", "a c d s"),
    (r"^(?:h|H)ello\b", "", "a b"),
    (r"l{2}", "", "a b"),
    (r"l{2,}o", "", "a b"),
    (r"o{1,2}$", "", "a d"),
    (r"fo+?", "", "c d s"),
    (r"^[\w.]+@[\w.]+\.com$", "", "q"),
    (r"^[a-z0-9_\-/]+$", "", "a d k p"),
    (r"(?P<first>h)ello", "", "a"),
    (r"(?#a remark)hello", "", "a"),
];

async fn an_expression_finds_what_it_finds_in_mongodb(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["text:String"]).await;
    for (id, text) in TEXTS {
        table.insert(&table.object(id, map! { "text" => *text })).await;
    }
    let mut wrong = Vec::new();
    for (source, options, expected) in CASES {
        let pattern = Pattern { source: (*source).to_owned(), options: (*options).to_owned() };
        let selection = table.selection(Filter::Field("text".into(), Constraint::Matches(pattern)));
        let found = table.store.find(&selection).await.map(|found| sorted_ids(&found));
        if !matches!(&found, Ok(found) if found == expected) {
            wrong.push(format!("/{source}/{options}\n    expected {expected:?}\n    found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} expressions:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

async fn an_expression_finds_elements_of_lists(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["list:Array", "data:Object"]).await;
    table.put("a", r#"{"list": ["one", "two"], "data": {"list": ["three"], "s": "four"}}"#).await;
    table.put("b", r#"{"list": [1, null, {"s": "one"}, ["one"]], "data": {"s": 1}}"#).await;
    table.put("c", r#"{"list": []}"#).await;
    for (text, expected) in [
        (r#"{"list": {"$regex": "^o"}}"#, "a"),
        (r#"{"list": {"$regex": ""}}"#, "a"),
        (r#"{"list.s": {"$regex": "^o"}}"#, "b"),
        (r#"{"list.0": {"$regex": "^o"}}"#, "a"),
        (r#"{"data.list": {"$regex": "^th"}}"#, "a"),
        (r#"{"data.s": {"$regex": "."}}"#, "a"),
        (r#"{"list": {"$all": [{"$regex": "^o"}, {"$regex": "^t"}]}}"#, "a"),
        (r#"{"list": {"$all": [{"$regex": "^o"}, {"$regex": "^x"}]}}"#, ""),
    ] {
        assert_eq!(table.found(text).await, expected, "{text}");
    }
}
