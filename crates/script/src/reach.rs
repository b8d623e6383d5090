//! Which functions of a script may have to wait? Those that call a function that waits, or a function that does.

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnPtr, Stmt};

use crate::api::WAITING;

/// Rhai's function that makes a function of its name: whatever that is.
const BY_NAME: &str = "Fn";

/// The names of the functions that may have to wait.
pub(crate) fn waiting(ast: &AST) -> BTreeSet<String> {
    let names: BTreeSet<String> = ast.iter_functions().map(|function| function.name.to_owned()).collect();
    let calls: BTreeMap<&String, BTreeSet<String>> = names.iter().map(|name| (name, calls(ast, name))).collect();
    let at_once = |called: &String| called == BY_NAME || WAITING.contains(&called.as_str());
    let mut waiting: BTreeSet<String> =
        calls.iter().filter(|(_, called)| called.iter().any(at_once)).map(|(name, _)| (*name).clone()).collect();
    loop {
        let more: Vec<String> = calls
            .iter()
            .filter(|(name, called)| !waiting.contains(**name) && !waiting.is_disjoint(called))
            .map(|(name, _)| (*name).clone())
            .collect();
        if more.is_empty() {
            return waiting;
        }
        waiting.extend(more);
    }
}

/// What the functions of this name call, and which functions they make.
fn calls(ast: &AST, name: &str) -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    let body = ast.clone_functions_only_filtered(|_, _, _, other, _| other == name);
    body.walk(&mut |path| {
        match path.last() {
            Some(
                ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)),
            ) => {
                called.insert(call.name.to_string());
            }
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                if let Some(function) = value.clone().try_cast::<FnPtr>() {
                    called.insert(function.fn_name().to_owned());
                }
            }
            _ => {}
        }
        true
    });
    called
}
