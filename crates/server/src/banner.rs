//! What does the administrator see at the start?

use parsimony_engine::Engine;

use crate::wire::Running;

/// What is told on the standard output. Never a key but the application id, which every client knows.
pub(crate) fn text(running: &Running) -> String {
    let Running { url, store, applications, keys_path, engine, compatibility, .. } = running;
    let defaults = compatibility.name();
    let application_id = &engine.options().keys.application_id;
    let keys = match keys_path {
        Some(path) => format!("generated, in {}", path.display()),
        None => "as configured".to_owned(),
    };
    let named = if applications.is_empty() { "none".to_owned() } else { applications.join(", ") };
    let try_it = example(url, engine);
    format!(
        "Parsimony {version} answers at {url}\n\
         \n\
         \x20 application id  {application_id}\n\
         \x20 keys            {keys}\n\
         \x20 applications    {named}\n\
         \x20 store           {store}\n\
         \x20 defaults        {defaults}\n\
         \n\
         Try it:\n\
         \n\
         \x20 {try_it}\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// A line to paste that works: a signup, or the health of a server whose clients need a key.
fn example(url: &str, engine: &Engine) -> String {
    let keys = &engine.options().keys;
    let client_keys = [&keys.client_key, &keys.javascript_key, &keys.dot_net_key, &keys.rest_api_key];
    if client_keys.iter().any(|key| key.is_some()) || engine.options().route_allow_list.is_some() {
        return format!("curl {url}/health");
    }
    let application_id = &keys.application_id;
    format!(
        "curl {url}/users -H 'X-Parse-Application-Id: {application_id}' -H 'Content-Type: application/json' \
         -d '{{\"username\":\"ada\",\"password\":\"choose a better one\"}}'"
    )
}
