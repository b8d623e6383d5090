//! Which roles does a user have, inherited ones among them?

use std::collections::BTreeMap;

use parsimony_model::builtin::Builtin;
use parsimony_model::{FieldName, Filter, ObjectId, ParseError};
use parsimony_store::{Scope, Selection};

use crate::engine::Engine;

/// The names of the roles of a user.
///
/// Parse: a role that has another among its `roles` gives its own rights to that one's members. Cycles do no harm.
pub(crate) async fn of_user(engine: &Engine, user: &ObjectId) -> Result<Vec<String>, ParseError> {
    let Some(class) = engine.schemas.get(&Builtin::Role.name()) else { return Ok(Vec::new()) };
    let limit = engine.options.limits.roles_max;
    let mut names: BTreeMap<ObjectId, String> = BTreeMap::new();
    let mut field = FieldName::parse("users")?;
    let mut members = vec![user.clone()];
    while !members.is_empty() && names.len() < limit {
        let filter = Filter::Relates { field, members };
        let selection = Selection::new(std::sync::Arc::clone(&class), filter, Scope::Everything)
            .range(0, Some(limit as u64))
            .only(vec!["name".to_owned()]);
        members = Vec::new();
        for role in engine.objects.find(&selection).await? {
            let Some(name) = role.text("name") else { continue };
            if !names.contains_key(&role.id) {
                names.insert(role.id.clone(), name.to_owned());
                members.push(role.id);
            }
        }
        field = FieldName::parse("roles")?;
    }
    Ok(names.into_values().collect())
}
