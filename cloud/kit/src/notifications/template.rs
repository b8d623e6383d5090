//! What does a notification say on its way by letter, text message or push: in whose words, and in which language?

use parsimony_cloud::Host;
use parsimony_model::value::Map;
use parsimony_model::{Filter, Object, ParseError, Query, Value};

use super::Channel;

/// The class of the templates, which administrators edit.
pub const CLASS: &str = "NotificationTemplate";

/// The language of a template for everybody whose language has none.
const ANY: &str = "*";

/// What goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worded {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: Option<String>,
}

/// Words a notification: by the template of its kind for this way in this language, or in the language without its region, or
/// for everybody; in the notification's own words if there is none.
///
/// What goes to a device passes through services of others and stays in the history of pushes: without a template of one's own
/// it does not say what the notification says.
pub(super) async fn word(
    host: &Host,
    notification: &Object,
    channel: Channel,
    locale: Option<&str>,
) -> Result<Worded, ParseError> {
    let kind = notification.text("kind").unwrap_or_default();
    let filter = Filter::equals("kind", kind).and(Filter::equals("channel", channel));
    let templates = host.find(CLASS, Query::new(filter)).await?;
    let title = notification.text("title").unwrap_or_default();
    let Some(template) = chosen(&templates, locale) else {
        return Ok(match channel {
            Channel::Push => Worded { subject: String::new(), text: "There is news for you.".to_owned(), html: None },
            Channel::Email | Channel::Sms => {
                let text = notification.text("body").unwrap_or(title).to_owned();
                Worded { subject: title.to_owned(), text, html: None }
            }
        });
    };
    let places = places(notification, channel);
    let filled = |field, escape| template.text(field).map(|text| fill(text, &places, escape));
    Ok(Worded {
        subject: filled("subject", plain).unwrap_or_else(|| title.to_owned()),
        text: filled("text", plain).unwrap_or_default(),
        html: filled("html", escaped),
    })
}

/// The template that fits a language best.
fn chosen<'a>(templates: &'a [Object], locale: Option<&str>) -> Option<&'a Object> {
    let of = |wanted: &str| {
        templates.iter().find(|template| template.text("locale").is_some_and(|is| is.eq_ignore_ascii_case(wanted)))
    };
    let language = locale.and_then(|locale| locale.split(['-', '_']).next());
    locale.and_then(of).or_else(|| language.and_then(of)).or_else(|| of(ANY))
}

/// What may stand in braces: `title` and `body`, but not on the way to a device, and the notification's data.
fn places(notification: &Object, channel: Channel) -> Map {
    let mut places = Map::default();
    for (name, value) in notification.get("data").and_then(Value::as_object).into_iter().flatten() {
        places.insert(format!("data.{name}").into(), value.clone());
    }
    if channel != Channel::Push {
        for name in ["title", "body"] {
            places.extend(notification.get(name).map(|value| (name.into(), value.clone())));
        }
    }
    places
}

/// Fills `{{name}}`; what is not there leaves nothing.
fn fill(text: &str, places: &Map, escape: fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, place)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, after)) = place.split_once("}}") else {
            filled.push_str("{{");
            rest = place;
            break;
        };
        match places.get(name.trim()) {
            Some(Value::String(text)) => filled.push_str(&escape(text)),
            Some(Value::Number(number)) => filled.push_str(&number.to_string()),
            Some(Value::Bool(is)) => filled.push_str(if *is { "true" } else { "false" }),
            Some(Value::Date(date)) => filled.push_str(&date.to_string()),
            _ => {}
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn plain(text: &str) -> String {
    text.to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::{ClassName, ObjectId, map};

    fn template(locale: &str) -> Object {
        Object {
            class: ClassName::parse(CLASS).unwrap(),
            id: ObjectId::parse(locale.replace('*', "any").as_str()).unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: map! { "locale" => locale },
        }
    }

    #[test]
    fn a_language_is_found_with_its_region_without_it_or_for_everybody() {
        let templates = [template("de"), template("de-AT"), template("*")];
        let locale = |wanted| chosen(&templates, wanted).and_then(|template| template.text("locale"));
        assert_eq!(locale(Some("de-at")), Some("de-AT"));
        assert_eq!(locale(Some("de-CH")), Some("de"));
        assert_eq!(locale(Some("fr")), Some("*"));
        assert_eq!(locale(None), Some("*"));
        assert_eq!(chosen(&templates[..2], Some("fr")), None);
    }

    #[test]
    fn places_are_filled_and_markup_stays_text() {
        let places = map! { "title" => "<b>&", "data.days" => 3.0 };
        assert_eq!(fill("{{title}}: {{ data.days }} {{nothing}}!", &places, plain), "<b>&: 3 !");
        assert_eq!(fill("<p>{{title}}</p>", &places, escaped), "<p>&lt;b&gt;&amp;</p>");
        assert_eq!(fill("open {{title", &places, plain), "open {{title");
    }
}
