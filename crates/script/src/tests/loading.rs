//! Which scripts are refused, and with which words.

use parsimony_cloud::{Effects, Interpreter};

use super::{faults, interpreter, script};

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (name, text, expected) in [
        ("Item", "fn before_save(request) {\n  let x = ;\n}", "Item.rhai:2:11: "),
        ("Item", "\nfn befor_save(request) {}", "Item.rhai:2:24: befor_save is no hook. Is it before_save?"),
        ("Item", "fn whatever(request) {}", "The hooks of Item are: before_save, after_save, before_delete,"),
        ("Item", "fn before_save() {}", "before_save takes one parameter, the request, and not 0."),
        ("Item", "fn before_save(a, b) {}", "and not 2."),
        ("Item", "fn before_login(request) {}", "The class Item has no hook before_login."),
        ("_Session", "fn before_save(request) {}", "The class _Session has no hook before_save."),
        (
            "no class",
            "fn before_save(request) {}",
            "A script is named after a class, or functions, jobs, connect, files or config;",
        ),
        ("Item", "let x = 1;\nfn before_save(request) {}", "Item.rhai:1:1: Only functions and constants"),
        ("Item", "log(\"x\");", "Only functions and constants"),
        ("Item", "fn before_save(request) { eval(\"1\") }", "eval"),
        ("Item", "import \"x\" as x;", "import"),
        ("Item", "fn before_save(request) { missing }", "missing"),
        ("functions", "fn f(a, b) {}", "f takes one parameter"),
        (
            "functions",
            "const RULES = #{ f: #{ requireUsr: true } };\nfn f(request) {}",
            "RULES: f: There is no rule requireUsr",
        ),
        ("functions", "const RULES = #{ g: #{} };\nfn f(request) {}", "RULES names g, which is no function"),
        (
            "functions",
            "fn f(request) {}\nprivate fn count(x) {}",
            "functions.rhai:2:21: count is a function of the server's",
        ),
        ("jobs", "const PLAN = #{ g: #{} };\nfn f(request) {}", "PLAN names g, which is no function"),
        ("jobs", "const PLAN = #{ f: #{ cron: \"0 25 * * *\" } };\nfn f(request) {}", "job f of "),
        ("jobs", "const PLAN = #{ f: #{ when: 1 } };\nfn f(request) {}", "a plan has no when"),
        ("jobs", "const PLAN = #{ f: #{ overlap: \"x\" } };\nfn f(request) {}", "overlap is skip, queue or allow"),
        ("connect", "fn before_save(request) {}", "has no hook before_save"),
        ("files", "fn before_login(request) {}", "has no hook before_login"),
        ("config", "fn before_delete(request) {}", "has no hook before_delete"),
        ("functions", "const X = 1 / 0;\nfn f(request) {}", "A constant cannot be computed"),
        ("functions", "const X = { let n = 0; loop { n += 1; } };\nfn f(request) {}", "A constant cannot be computed"),
    ] {
        let found = faults(&[script(name, text)]);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{text}: {found:?}");
    }
}

#[test]
fn a_set_is_taken_as_a_whole_and_all_its_faults_are_told() {
    let scripts = [
        script("A", "fn before_save(request) {}"),
        script("B", "fn x(request) {}\nfn y(request) {}"),
        script("C", "fn ("),
    ];
    let found = faults(&scripts);
    assert_eq!(found.iter().filter_map(|fault| fault.chars().next()).collect::<String>(), "BBC", "{found:?}");
}

#[test]
fn a_hook_has_one_owner() {
    let scripts = [script("one/A", "fn after_save(request) {}"), script("two/A", "\nfn after_save(request) {}")];
    let found = faults(&scripts);
    assert!(
        found[0].contains("afterSave A is defined twice: by one (test one/A.rhai:1) and by two (test two/A.rhai:2)"),
        "{found:?}"
    );
}

#[test]
fn what_a_script_brings_is_listed() {
    let scripts = [
        script(
            "app/Item",
            "const N = 1;\nfn before_save(request) { helper() }\nprivate fn helper() { [1].map(|x| x) }",
        ),
        script("functions", "fn greet(request) {} fn leave(request) {}"),
    ];
    let compiled = interpreter().compile(&scripts, Effects::Real).unwrap_or_default();
    let mut hooks = compiled.hooks;
    hooks[1].1.sort();
    assert_eq!(hooks[0], ("app/Item".to_owned(), vec!["beforeSave Item".to_owned()]));
    assert_eq!(hooks[1], ("functions".to_owned(), vec!["function greet".to_owned(), "function leave".to_owned()]));
}

#[test]
fn there_are_bounds_for_scripts_too() {
    let long = format!("fn before_save(request) {{}} // {}", "x".repeat(300_000));
    assert!(faults(&[script("A", &long)])[0].contains("more than 262144 bytes"));
    let deep = format!("fn before_save(request) {{ {}1{} }}", "(".repeat(200), ")".repeat(200));
    assert!(faults(&[script("A", &deep)])[0].contains("A.rhai:1:"));
    let nested = format!("fn before_save(request) {{ {} {} }}", "if true {".repeat(200), "}".repeat(200));
    assert!(faults(&[script("A", &nested)])[0].contains("A.rhai:1:"));
    let many: Vec<_> = (0..1_001).map(|number| script(&format!("A{number}"), "")).collect();
    assert!(faults(&many)[0].contains("There are 1001 scripts"));
}

/// The scripts among the lines of a text, each line without what stands before it.
fn examples(text: &str, before: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines().map(|line| line.strip_prefix(before).unwrap_or(line)) {
        match line.trim() {
            "```rhai" => {
                inside = true;
                found.push(String::new());
            }
            "```" => inside = false,
            _ if inside => found.iter_mut().last().unwrap().extend([line, "\n"]),
            _ => {}
        }
    }
    found
}

#[test]
fn the_examples_of_the_guide_are_sound() {
    let guide = examples(include_str!("../lib.rs"), "//! ");
    let read_me = examples(include_str!("../../../../README.md"), "");
    assert_eq!((guide.len(), read_me.len()), (1, 1));
    for example in guide.iter().chain(&read_me) {
        assert_eq!(faults(&[script("Item", example)]), [] as [String; 0], "{example}");
    }
    let shipped = include_str!("../../../../cloud/identity-management/hooks/Identity.rhai");
    assert_eq!(faults(&[script("identity-management/Identity", shipped)]), [] as [String; 0]);
}
