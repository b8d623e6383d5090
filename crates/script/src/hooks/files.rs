//! What does a script see of a file or of Parse Config, and what does its answer become? It sees what is known of a file, and
//! not its content.

use parking_lot::Mutex;
use parsimony_cloud::{
    AfterDeleteFile, AfterFindFile, AfterSaveConfig, AfterSaveFile, BeforeDeleteFile, BeforeFindFile, BeforeSaveConfig,
    BeforeSaveFile, CloudFile, FoundFile, Trigger,
};
use parsimony_model::Value;
use rhai::{Dynamic, Map};

use super::Scripted;
use crate::bridge::request::{Has, Request};
use crate::bridge::value::{from_map, map_to_dynamic};
use crate::error::{Thrown, fault};

/// A file as a map.
fn shown(file: &CloudFile) -> Result<Map, Thrown> {
    let mut map = Map::new();
    map.insert("name".into(), file.name.clone().into());
    let texts = [("url", &file.url), ("contentType", &file.content_type), ("directory", &file.directory)];
    for (name, text) in texts {
        map.insert(name.into(), text.clone().map_or(Dynamic::UNIT, Dynamic::from));
    }
    map.insert("metadata".into(), map_to_dynamic(file.metadata.clone())?.into());
    map.insert("tags".into(), map_to_dynamic(file.tags.clone())?.into());
    Ok(map)
}

/// The file as a script leaves it: what it answers, or what it made of the one in its request.
fn left(request: &Request, result: Dynamic) -> Result<CloudFile, Thrown> {
    let answered = result.try_cast::<Map>();
    let map =
        answered.or_else(|| request.0.has.file.lock().clone()).ok_or_else(|| fault("the request lost its file"))?;
    let map = from_map(&map)?;
    let text = |name: &str| match map.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let inside = |name: &str| map.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    Ok(CloudFile {
        name: text("name").ok_or_else(|| fault("a file has a name"))?,
        url: text("url"),
        content_type: text("contentType"),
        data: None,
        metadata: inside("metadata"),
        tags: inside("tags"),
        directory: text("directory"),
    })
}

fn size(bytes: Option<u64>) -> Option<i64> {
    bytes.and_then(|bytes| i64::try_from(bytes).ok())
}

fn has(file: &CloudFile) -> Result<Has, Thrown> {
    Ok(Has { file: Mutex::new(Some(shown(file)?)), ..Has::default() })
}

impl Scripted for BeforeSaveFile {
    fn show(self) -> Result<Request, Thrown> {
        let has = Has { file_size: size(self.file_size), streamed: self.streamed, ..has(&self.file)? };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    fn read(request: &Request, result: Dynamic) -> Result<CloudFile, Thrown> {
        left(request, result)
    }
}

impl Scripted for AfterSaveFile {
    fn show(self) -> Result<Request, Thrown> {
        let has = Has { file_size: size(self.file_size), ..has(&self.file)? };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    fn read(_: &Request, _: Dynamic) -> Result<(), Thrown> {
        Ok(())
    }
}

impl Scripted for BeforeFindFile {
    fn show(self) -> Result<Request, Thrown> {
        Ok(Request::new(Self::NAME, self.origin, has(&self.file)?))
    }

    fn read(request: &Request, result: Dynamic) -> Result<CloudFile, Thrown> {
        left(request, result)
    }
}

impl Scripted for AfterFindFile {
    fn show(self) -> Result<Request, Thrown> {
        let headers = self.headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let has = Has { response_headers: Mutex::new(Some(headers)), ..has(&self.file)? };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    fn read(request: &Request, result: Dynamic) -> Result<FoundFile, Thrown> {
        let file = left(request, result)?;
        let headers = request.0.has.response_headers.lock().take().unwrap_or_default();
        let text = |value: Dynamic| value.into_string().map_err(|kind| fault(format!("a header is a text, no {kind}")));
        let headers = headers.into_iter().map(|(name, value)| Ok((name.to_string(), text(value)?)));
        let headers = headers.collect::<Result<_, Thrown>>()?;
        Ok(FoundFile { file, force_download: *request.0.has.force_download.lock(), headers })
    }
}

macro_rules! scripted_with_file {
    ($($trigger:ident)*) => {
        $(
            impl Scripted for $trigger {
                fn show(self) -> Result<Request, Thrown> {
                    Ok(Request::new(Self::NAME, self.origin, has(&self.file)?))
                }

                fn read(_: &Request, _: Dynamic) -> Result<(), Thrown> {
                    Ok(())
                }
            }
        )*
    };
}

scripted_with_file!(BeforeDeleteFile AfterDeleteFile);

macro_rules! scripted_with_params {
    ($($trigger:ident)*) => {
        $(
            impl Scripted for $trigger {
                fn show(self) -> Result<Request, Thrown> {
                    let params = Mutex::new(Some(map_to_dynamic(self.params)?));
                    let original_params = self.original.map(map_to_dynamic).transpose()?;
                    Ok(Request::new(Self::NAME, self.origin, Has { params, original_params, ..Has::default() }))
                }

                fn read(_: &Request, _: Dynamic) -> Result<(), Thrown> {
                    Ok(())
                }
            }
        )*
    };
}

scripted_with_params!(BeforeSaveConfig AfterSaveConfig);
