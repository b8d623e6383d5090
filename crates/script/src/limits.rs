//! How much may a script do?

use std::time::Duration;

/// The bounds of scripts. A new way to use something up adds a line here.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Rhai's operations in one call.
    pub operations_max: u64,
    /// How long one call may take, whatever it waits for.
    pub time_max: Duration,
    /// How deep functions may call functions.
    pub calls_max: usize,
    /// How deep expressions may be nested.
    pub expression_depth_max: usize,
    /// How many variables a call may have at a time.
    pub variables_max: usize,
    /// How many bytes a text may have.
    pub text_bytes_max: usize,
    /// How many elements a list may have, and an object entries, those within them counted too.
    pub elements_max: usize,
    /// How many bytes one call may hand over to objects, queries and answers, and get from them.
    pub handed_bytes_max: usize,
    /// How many lines one call may log.
    pub log_lines_max: usize,
    /// How many characters of a line are logged, and of a thrown text told.
    pub line_chars_max: usize,
    /// How many bytes a script may have.
    pub script_bytes_max: usize,
    /// How many scripts there may be.
    pub scripts_max: usize,
    /// How many scripts that wait for something may run at a time; more stand in line.
    pub threads_max: usize,
    /// As [`Self::operations_max`], for jobs.
    pub job_operations_max: u64,
    /// As [`Self::time_max`], for jobs; their plans may say less.
    pub job_time_max: Duration,
    /// As [`Self::handed_bytes_max`], for jobs.
    pub job_handed_bytes_max: usize,
    /// As [`Self::log_lines_max`], for jobs.
    pub job_log_lines_max: usize,
    /// How many jobs may run at a time.
    pub job_threads_max: usize,
    /// How many bytes the answer to an HTTP request may have.
    pub http_answer_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            operations_max: 500_000,
            time_max: Duration::from_secs(5),
            calls_max: 32,
            expression_depth_max: 32,
            variables_max: 128,
            text_bytes_max: 1 << 20,
            elements_max: 10_000,
            handed_bytes_max: 16 << 20,
            log_lines_max: 100,
            line_chars_max: 1_000,
            script_bytes_max: 256 << 10,
            scripts_max: 1_000,
            threads_max: 32,
            job_operations_max: 50_000_000,
            job_time_max: Duration::from_secs(15 * 60),
            job_handed_bytes_max: 1 << 30,
            job_log_lines_max: 10_000,
            job_threads_max: 8,
            http_answer_bytes_max: 1 << 20,
        }
    }
}

impl Limits {
    /// The bounds of jobs.
    pub(crate) fn of_jobs(&self) -> Self {
        Self {
            operations_max: self.job_operations_max,
            time_max: self.job_time_max,
            handed_bytes_max: self.job_handed_bytes_max,
            log_lines_max: self.job_log_lines_max,
            threads_max: self.job_threads_max,
            ..self.clone()
        }
    }
}
