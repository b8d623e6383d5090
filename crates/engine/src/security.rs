//! Which options are weak: the report of `GET /security`.

use std::net::IpAddr;

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value, map};

use crate::options::Options;
use crate::work::Work;

/// What was decided about the report, and what of the configuration only it wants to know.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Parse Server's, on or off")]
pub struct SecurityOptions {
    /// `security.enableCheck`
    pub enabled: bool,
    /// `security.enableCheckLog`
    pub logged: bool,
    /// `enableInsecureAuthAdapters`
    pub insecure_auth_adapters: bool,
    /// `passwordPolicy.resetPasswordSuccessOnInvalidEmail` is off.
    pub reset_tells_of_users: bool,
    /// `emailVerifySuccessOnInvalidEmail` is off.
    pub verification_tells_of_users: bool,
    /// The password of the database; `None` if nobody can come to it over a network.
    pub database_password: Option<String>,
}

/// How long a key has to be.
const KEY_CHARS_MIN: usize = 14;

/// How many kinds of characters a key has to have.
const KEY_KINDS_MIN: usize = 3;

struct Check {
    title: &'static str,
    warning: &'static str,
    solution: &'static str,
    passed: bool,
}

/// The report, master only.
pub(crate) fn report(work: &Work) -> Result<Value, ParseError> {
    work.require_master()?;
    let options = &work.engine.options;
    if !options.security.enabled {
        let text = "Enable Parse Server option `security.enableCheck` to run security check.";
        return Err(ParseError::new(ErrorCode::Conflict, text));
    }
    let report = made(options, &options.keys.master_key.at(work.engine.clock.now()));
    if options.security.logged {
        let weak: Vec<&str> =
            checks(options, "").into_iter().filter(|check| !check.passed).map(|check| check.title).collect();
        tracing::info!(weak = weak.join("; "), "the security check");
    }
    Ok(report)
}

fn made(options: &Options, master_key: &str) -> Value {
    let groups = [("Parse Server Configuration", checks(options, master_key)), ("Database", vec![database(options)])];
    let state = |passed: bool| if passed { "success" } else { "fail" };
    let mut all_passed = true;
    let groups = groups.map(|(name, checks)| {
        let passed = checks.iter().all(|check| check.passed);
        all_passed &= passed;
        let checks: Vec<Value> = checks.iter().map(spelled).collect();
        Value::Object(map! { "name" => name, "state" => state(passed), "checks" => Value::Array(checks) })
    });
    let report = map! { "version" => "1.0.0", "state" => state(all_passed), "groups" => Value::Array(groups.into()) };
    map! { "report" => report }.into()
}

fn spelled(check: &Check) -> Value {
    let mut map: Map = map! { "title" => check.title, "state" => if check.passed { "success" } else { "fail" } };
    if !check.passed {
        map.insert("warning".into(), check.warning.into());
        map.insert("solution".into(), check.solution.into());
    }
    map.into()
}

/// Whether a secret is long, and has characters of several kinds.
fn is_strong(secret: &str) -> bool {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_digit(),
        |c| !c.is_ascii_alphanumeric() && c != '_',
    ];
    let has = kinds.iter().filter(|is| secret.chars().any(*is)).count();
    secret.chars().count() >= KEY_CHARS_MIN && has >= KEY_KINDS_MIN
}

fn database(options: &Options) -> Check {
    Check {
        title: "Secure database password",
        warning: "The database password is insecure and vulnerable to brute force attacks.",
        solution: "Choose a longer and/or more complex password with a combination of upper- and lowercase characters, \
                   numbers and special characters.",
        passed: options.security.database_password.as_deref().is_none_or(is_strong),
    }
}

/// Whether a key is accepted from wherever it comes.
fn is_open(rule: &dyn Fn(IpAddr) -> bool) -> bool {
    let anywhere = [IpAddr::from([203, 0, 113, 77]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77])];
    anywhere.into_iter().any(rule)
}

fn checks(options: &Options, master_key: &str) -> Vec<Check> {
    let mut checks = of_keys(options, master_key);
    checks.extend(of_data(options));
    checks.extend(of_answers(options));
    checks
}

fn of_keys(options: &Options, master_key: &str) -> Vec<Check> {
    vec![
        Check {
            title: "Secure master key",
            warning: "The Parse Server master key is insecure and vulnerable to brute force attacks.",
            solution: "Choose a longer and/or more complex master key with a combination of upper- and lowercase \
                       characters, numbers and special characters.",
            passed: is_strong(master_key),
        },
        Check {
            title: "Security log disabled",
            warning: "Security checks in logs may expose vulnerabilities to anyone with access to logs.",
            solution: "Change Parse Server configuration to 'security.enableCheckLog: false'.",
            passed: !options.security.logged,
        },
        Check {
            title: "Read-only master key IP range restricted",
            warning: "The read-only master key can be used from any IP address, which increases the attack surface if \
                      the key is compromised.",
            solution: "Change Parse Server configuration to 'readOnlyMasterKeyIps: [\"127.0.0.1\", \"::1\"]' to restrict \
                       access to localhost, or set it to a list of specific IP addresses.",
            passed: options.keys.read_only_master_key.is_none() || !is_open(&options.keys.read_only_master_key_ips),
        },
        Check {
            title: "Insecure auth adapters disabled",
            warning: "Attackers may explore insecure auth adapters' vulnerabilities and log in on behalf of another user.",
            solution: "Change Parse Server configuration to 'enableInsecureAuthAdapters: false'.",
            passed: !options.security.insecure_auth_adapters,
        },
    ]
}

fn of_data(options: &Options) -> Vec<Check> {
    let complexity = &options.complexity;
    let bounds = [
        complexity.include_depth_max,
        complexity.include_paths_max,
        complexity.conditions.subquery_depth_max,
        complexity.conditions.query_depth_max,
        options.limits.batch_parts_max,
    ];
    vec![
        Check {
            title: "Client class creation disabled",
            warning: "Attackers are allowed to create new classes without restriction and flood the database.",
            solution: "Change Parse Server configuration to 'allowClientClassCreation: false'.",
            passed: !options.allow_client_class_creation,
        },
        Check {
            title: "Users are created without public access",
            warning: "Users with public read access are exposed to anyone who knows their object IDs, or to anyone who \
                      can query the Parse.User class.",
            solution: "Change Parse Server configuration to 'enforcePrivateUsers: true'.",
            passed: options.enforce_private_users,
        },
        Check {
            title: "Public database explain disabled",
            warning: "Database explain queries are publicly accessible, which may expose sensitive database performance \
                      information and schema details.",
            solution: "Change Parse Server configuration to 'databaseOptions.allowPublicExplain: false'. You will need \
                       to use master key to run explain queries.",
            passed: !options.allow_public_explain,
        },
        Check {
            title: "Request complexity limits enabled",
            warning: "One or more request complexity limits are disabled, which may allow denial-of-service attacks \
                      through deeply nested or excessively broad queries.",
            solution: "Ensure all properties in 'requestComplexity' are set to positive integers. Set to '-1' only if \
                       you have other mitigations in place.",
            passed: bounds.iter().all(Option::is_some),
        },
    ]
}

fn of_answers(options: &Options) -> Vec<Check> {
    vec![
        Check {
            title: "Password reset endpoint user enumeration mitigated",
            warning: "The password reset endpoint returns distinct error responses for invalid email addresses, which \
                      allows attackers to enumerate registered users.",
            solution: "Change Parse Server configuration to 'passwordPolicy.resetPasswordSuccessOnInvalidEmail: true'.",
            passed: !options.security.reset_tells_of_users,
        },
        Check {
            title: "Email verification endpoint user enumeration mitigated",
            warning: "The email verification endpoint returns distinct error responses for invalid email addresses, \
                      which allows attackers to enumerate registered users.",
            solution: "Change Parse Server configuration to 'emailVerifySuccessOnInvalidEmail: true'.",
            passed: !options.security.verification_tells_of_users,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(options: &Options, key: &str) -> Vec<&'static str> {
        let all = checks(options, key).into_iter().chain([database(options)]);
        all.filter(|check| !check.passed).map(|check| check.title).collect()
    }

    #[test]
    fn weak_options_are_named_and_strong_ones_are_not() {
        let mut options = Options::new("app", "weak");
        let complexity = "Request complexity limits enabled";
        assert_eq!(failed(&options, "weak"), ["Secure master key", complexity]);
        options.complexity.include_depth_max = Some(1);
        options.complexity.include_paths_max = Some(1);
        options.complexity.conditions.subquery_depth_max = Some(1);
        options.complexity.conditions.query_depth_max = Some(1);
        options.limits.batch_parts_max = Some(1);
        let strong = "aStrong1MasterKey";
        assert!(failed(&options, strong).is_empty());
        assert_eq!(made(&options, strong).as_object().unwrap().len(), 1);
        options.keys.read_only_master_key = Some("x".to_owned());
        options.security.database_password = Some("password".to_owned());
        options.allow_client_class_creation = true;
        let expected =
            ["Read-only master key IP range restricted", "Client class creation disabled", "Secure database password"];
        assert_eq!(failed(&options, strong), expected);
        options.keys.read_only_master_key_ips = Box::new(|ip| ip.is_loopback());
        assert_eq!(failed(&options, strong), expected[1..]);
    }

    #[test]
    fn a_secret_is_long_and_mixed() {
        for (secret, strong) in [
            ("short1A!", false),
            ("alllowercaseletters", false),
            ("lowercaseAndUpper", false),
            ("lowercaseAndUpper1", true),
            ("lower-case-and-1", true),
        ] {
            assert_eq!(is_strong(secret), strong, "{secret}");
        }
    }
}
