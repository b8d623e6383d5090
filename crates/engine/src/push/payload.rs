//! Which words does a device get: those of its language, with its own badge.

use parsimony_cloud::PushDevice;
use parsimony_model::Value;
use parsimony_model::value::Map;

/// A device that is addressed, and what of it decides what it is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Addressed {
    pub(super) device: PushDevice,
    /// `localeIdentifier`
    pub(super) locale: Option<String>,
    /// Its badge, if it is to be told its own.
    pub(super) badge: Option<f64>,
}

/// Devices that are told the same.
#[derive(Debug, PartialEq)]
pub(super) struct Group {
    pub(super) body: Map,
    pub(super) devices: Vec<PushDevice>,
    /// Where each of them stood among all.
    pub(super) places: Vec<usize>,
}

/// The keys of `data` that may be there in several languages, as in `alert-fr`.
const LOCALIZED: [&str; 2] = ["alert", "title"];

fn data(body: &Map) -> Option<&Map> {
    body.get("data")?.as_object()
}

/// The language of a key such as `alert-fr`.
fn locale_of(key: &str) -> Option<&str> {
    LOCALIZED.iter().find_map(|name| key.strip_prefix(name)?.strip_prefix('-'))
}

/// The languages that a body has, in the order of its keys.
fn locales(body: &Map) -> Vec<&str> {
    let mut locales = Vec::new();
    for locale in data(body).into_iter().flat_map(Map::keys).filter_map(|key| locale_of(key)) {
        if !locales.contains(&locale) {
            locales.push(locale);
        }
    }
    locales
}

/// The body with one language and one badge.
fn told(body: &Map, locale: Option<&str>, badge: Option<f64>) -> Map {
    let Some(all) = data(body) else { return body.clone() };
    let mut own: Map = all.clone();
    own.retain(|key, _| locale_of(key).is_none());
    for name in LOCALIZED {
        let word = locale.and_then(|locale| all.get(format!("{name}-{locale}").as_str()));
        if let Some(word) = word.filter(|word| word.is_truthy()) {
            own.insert(name.into(), word.clone());
        }
    }
    if let Some(badge) = badge {
        own.insert("badge".into(), badge.into());
    }
    let mut body = body.clone();
    body.insert("data".into(), Value::Object(own));
    body
}

/// Puts together those who are told the same. Parse: of several languages that fit, the first in the body is taken.
pub(super) fn groups(body: &Map, all: Vec<Addressed>) -> Vec<Group> {
    let locales = locales(body);
    let mut kinds: Vec<(Option<&str>, Option<f64>)> = Vec::new();
    let mut groups: Vec<Group> = Vec::new();
    for (place, addressed) in all.into_iter().enumerate() {
        let own = addressed.locale.as_deref();
        let locale = locales.iter().copied().find(|locale| own.is_some_and(|own| own.starts_with(locale)));
        let kind = (locale, addressed.badge);
        let known = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            kinds.push(kind);
            let body = told(body, locale, addressed.badge);
            groups.push(Group { body, devices: Vec::new(), places: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(known) {
            group.devices.push(addressed.device);
            group.places.push(place);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use parsimony_model::map;

    use super::*;

    fn device(locale: Option<&str>, badge: Option<f64>) -> Addressed {
        Addressed { device: PushDevice::default(), locale: locale.map(str::to_owned), badge }
    }

    #[test]
    fn each_device_is_told_in_its_language() {
        let body = map! { "priority" => 5, "data" => map! {
            "alert" => "hi", "alert-fr" => "salut", "title-de" => "Titel", "alert-fr-CA" => "allo", "x" => 1,
        } };
        let all =
            vec![device(Some("fr-CA"), None), device(Some("en"), None), device(None, None), device(Some("de"), None)];
        let groups = groups(&body, all);
        let seen: Vec<_> =
            groups.iter().map(|group| (data(&group.body).unwrap().clone(), group.places.clone())).collect();
        assert_eq!(
            seen,
            [
                // Parse: fr comes before fr-CA, and fits.
                (map! { "alert" => "salut", "x" => 1 }, vec![0]),
                (map! { "alert" => "hi", "x" => 1 }, vec![1, 2]),
                (map! { "alert" => "hi", "x" => 1, "title" => "Titel" }, vec![3]),
            ]
        );
        assert!(groups.iter().all(|group| group.body.get("priority") == Some(&5.into())));
    }

    #[test]
    fn each_device_is_told_its_badge() {
        let body = map! { "data" => map! { "badge" => "Increment" } };
        let groups = groups(&body, vec![device(None, Some(2.0)), device(None, Some(3.0)), device(None, Some(2.0))]);
        let badge = |group: &Group| data(&group.body).unwrap().get("badge").cloned();
        assert_eq!(groups.iter().map(badge).collect::<Vec<_>>(), [Some(2.into()), Some(3.into())]);
        assert_eq!((&groups[0].places, &groups[1].places), (&vec![0, 2], &vec![1]));
    }

    #[test]
    fn what_is_nobody_s_language_stays_untold() {
        let body = map! { "data" => map! { "alert-fr" => "salut" } };
        assert_eq!(told(&body, None, None), map! { "data" => map! {} });
        assert_eq!(told(&map! { "x" => 1 }, Some("fr"), Some(1.0)), map! { "x" => 1 });
    }
}
