//! Pipelines and distinct values: `/aggregate`, for the master key only.

use std::sync::Arc;

use parsimony_model::aggregate::{Asked, Form, Pipeline, Question, answer, asked};
use parsimony_model::query::{Filter, Query, parse};
use parsimony_model::value::{Map, Value};
use parsimony_model::{ClassName, ErrorCode, ParseError};
use parsimony_store::Selection;

use crate::find;
use crate::work::Work;

/// Reads a request and answers it.
pub(crate) async fn aggregate(work: &Work, name: &ClassName, params: Map) -> Result<Vec<Value>, ParseError> {
    work.require_master()?;
    let options = &work.engine.options;
    if work.caller.is_read_only() && !options.allow_aggregation_for_read_only_master_key {
        let text = "Cannot run an aggregation pipeline when using the readOnlyMasterKey";
        return Err(ParseError::new(ErrorCode::OperationForbidden, text));
    }
    let reading = parse::Reading { now: work.engine.clock.now(), internal_fields: true };
    let Asked { question, form } = asked::read(params, reading, options.aggregation_form)?;
    match question {
        Question::Distinct { field, filter } => find::distinct(work, name, Query::new(filter), &field).await,
        pipeline @ Question::Pipeline { .. } => run(work, name, pipeline, form).await,
    }
}

async fn run(work: &Work, name: &ClassName, question: Question, form: Form) -> Result<Vec<Value>, ParseError> {
    find::refused_by_hook(work, name).await?;
    let Question::Pipeline { stages, advice, explain } = question else { return Ok(Vec::new()) };
    // Parse: of a class that is not there, nothing is asked.
    let Some(class) = work.engine.schemas.find(name).await? else { return Ok(Vec::new()) };
    let pipeline = Pipeline::read(stages, &class, form)?;
    let scope = work.caller.read_scope();
    let selection = Selection::new(Arc::clone(&class), Filter::everything(), scope).advised(advice);
    if let Some(verbosity) = explain {
        let plan = work.objects.explain(&selection, Some(&pipeline), verbosity).await?;
        return Ok(vec![answer::bare(plan)]);
    }
    let found = work.objects.aggregate(&selection, &pipeline).await?;
    let writer = answer::Answer { class: &class, form, groups_by_pointer: pipeline.groups_by_pointer() };
    let mut answers = found.into_iter().map(|document| writer.write(document)).collect::<Result<Vec<_>, _>>()?;
    for answer in &mut answers {
        if let Value::Object(fields) = answer {
            find::redact::locate_files(&work.engine.options, fields);
        }
    }
    Ok(answers)
}
