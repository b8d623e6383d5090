//! Which route of pushes is it?

use parsimony_model::{ObjectId, ParseError};

/// What a request about pushes is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushRoute {
    /// `POST /push`
    Send,
    /// `GET /push_audiences`
    Audiences,
    /// `POST /push_audiences`
    CreateAudience,
    /// `GET /push_audiences/ID`
    Audience(ObjectId),
    /// `PUT /push_audiences/ID`
    UpdateAudience(ObjectId),
    /// `DELETE /push_audiences/ID`
    DeleteAudience(ObjectId),
}

impl PushRoute {
    /// Reads what follows the area; `None` if there is no such method.
    pub(super) fn parse(area: &str, method: &str, id: Option<&str>) -> Option<Result<Self, ParseError>> {
        let route: fn(ObjectId) -> Self = match (area, method, id) {
            ("push", "POST", None) => return Some(Ok(Self::Send)),
            ("push_audiences", "GET", None) => return Some(Ok(Self::Audiences)),
            ("push_audiences", "POST", None) => return Some(Ok(Self::CreateAudience)),
            ("push_audiences", "GET", Some(_)) => Self::Audience,
            ("push_audiences", "PUT", Some(_)) => Self::UpdateAudience,
            ("push_audiences", "DELETE", Some(_)) => Self::DeleteAudience,
            _ => return None,
        };
        Some(ObjectId::parse(id?).map(route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found() {
        let id = || ObjectId::parse("a").unwrap();
        for (area, method, given, route) in [
            ("push", "POST", None, Some(PushRoute::Send)),
            ("push", "GET", None, None),
            ("push", "POST", Some("a"), None),
            ("push_audiences", "GET", None, Some(PushRoute::Audiences)),
            ("push_audiences", "POST", None, Some(PushRoute::CreateAudience)),
            ("push_audiences", "GET", Some("a"), Some(PushRoute::Audience(id()))),
            ("push_audiences", "PUT", Some("a"), Some(PushRoute::UpdateAudience(id()))),
            ("push_audiences", "DELETE", Some("a"), Some(PushRoute::DeleteAudience(id()))),
            ("push_audiences", "PUT", None, None),
        ] {
            assert_eq!(PushRoute::parse(area, method, given).map(Result::unwrap), route, "{method} {area} {given:?}");
        }
    }
}
