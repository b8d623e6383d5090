//! Which route is it, of those about classes?

use super::Route;

impl Route {
    /// Classes, as Parse has them.
    pub(super) fn schemas(method: &str, class: Option<&str>) -> Option<Self> {
        let class = class.map(str::to_owned);
        match method {
            "POST" => Some(Self::CreateSchema(class)),
            "GET" => Some(class.map_or(Self::Schemas, Self::Schema)),
            "PUT" => class.map(Self::UpdateSchema),
            "DELETE" => class.map(Self::DeleteSchema),
            _ => None,
        }
    }

    /// What Parse does not have: definitions, pushed and taken back.
    pub(super) fn own_schemas(method: &str, what: &str) -> Option<Self> {
        match (method, what) {
            ("POST", "plan") => Some(Self::PlanSchemas),
            ("POST", "push") => Some(Self::PushSchemas),
            ("POST", "rollback") => Some(Self::RollBackSchemas),
            ("GET", "definitions") => Some(Self::SchemaDefinitions),
            ("GET", "history") => Some(Self::SchemaHistory),
            _ => None,
        }
    }
}
