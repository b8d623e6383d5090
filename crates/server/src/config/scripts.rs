//! How much may hook scripts use up? `parsimony.scripts`.

use std::time::Duration;

use parsimony_script::Limits;

use super::raw::Raw;

/// How deep calls, and expressions, may be nested at most: a script runs on the stack of whoever asked for it.
const DEPTH_MAX: u64 = 64;

/// Reads the bounds of hook scripts; what is not said is as it is without the option.
pub(super) fn limits(raw: &Raw) -> Result<Limits, String> {
    let usual = Limits::default();
    let number = |name: &str, usual: u64| {
        let given = raw.positive(&format!("parsimony.scripts.{name}"))?;
        Ok::<u64, String>(given.unwrap_or(usual))
    };
    let size = |name: &str, usual: usize| {
        let given = number(name, usual as u64)?;
        usize::try_from(given).map_err(|_too_large| format!("parsimony.scripts.{name} is too large."))
    };
    let depth = |name: &str, usual: usize| match number(name, usual as u64)? {
        deep if deep > DEPTH_MAX => Err(format!("parsimony.scripts.{name} must not be greater than {DEPTH_MAX}.")),
        _ => size(name, usual),
    };
    let millis = |name: &str, usual: Duration| {
        let usual = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX);
        number(name, usual).map(Duration::from_millis)
    };
    Ok(Limits {
        operations_max: number("operations", usual.operations_max)?,
        time_max: millis("timeout", usual.time_max)?,
        calls_max: depth("callDepth", usual.calls_max)?,
        expression_depth_max: depth("expressionDepth", usual.expression_depth_max)?,
        variables_max: size("variables", usual.variables_max)?,
        text_bytes_max: size("textBytes", usual.text_bytes_max)?,
        elements_max: size("elements", usual.elements_max)?,
        handed_bytes_max: size("dataBytes", usual.handed_bytes_max)?,
        log_lines_max: size("logLines", usual.log_lines_max)?,
        line_chars_max: size("lineLength", usual.line_chars_max)?,
        script_bytes_max: size("scriptBytes", usual.script_bytes_max)?,
        scripts_max: size("scripts", usual.scripts_max)?,
        threads_max: size("threads", usual.threads_max)?,
        job_operations_max: number("jobOperations", usual.job_operations_max)?,
        job_time_max: millis("jobTimeout", usual.job_time_max)?,
        job_handed_bytes_max: size("jobDataBytes", usual.job_handed_bytes_max)?,
        job_log_lines_max: size("jobLogLines", usual.job_log_lines_max)?,
        job_threads_max: size("jobThreads", usual.job_threads_max)?,
        http_answer_bytes_max: size("httpAnswerBytes", usual.http_answer_bytes_max)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Config, Sources};
    use super::*;

    fn read(scripts: &serde_json::Value) -> Result<Limits, String> {
        let text = json!({ "parsimony": { "scripts": scripts } }).to_string();
        Config::read(Sources { file: Some(("test".to_owned(), text)), ..Sources::default() })
            .map(|config| config.script_limits)
    }

    #[test]
    fn what_is_said_counts_and_the_rest_is_as_usual() {
        let usual = Limits::default();
        let limits = read(&json!({ "operations": 7, "timeout": 250, "jobTimeout": 1000, "callDepth": 64 })).unwrap();
        assert_eq!((limits.operations_max, limits.time_max), (7, Duration::from_millis(250)));
        assert_eq!((limits.job_time_max, limits.calls_max), (Duration::from_secs(1), 64));
        assert_eq!((limits.threads_max, limits.job_operations_max), (usual.threads_max, usual.job_operations_max));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (scripts, sentence) in [
            (json!({ "operations": 0 }), "parsimony.scripts.operations must be greater than 0."),
            (json!({ "timeout": "soon" }), "parsimony.scripts.timeout must be a whole number."),
            (json!({ "callDepth": 65 }), "parsimony.scripts.callDepth must not be greater than 64."),
            (json!({ "expressionDepth": 1_000_000 }), "parsimony.scripts.expressionDepth must not be greater than 64."),
            (
                json!({ "operation": 1 }),
                "The option parsimony.scripts.operation is unknown. Did you mean parsimony.scripts.operations?",
            ),
        ] {
            assert_eq!(read(&scripts).err().as_deref(), Some(sentence), "{scripts}");
        }
    }
}
