//! At which moments of a file's life may cloud code step in, and what is it given and asked for then?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value};

use crate::origin::Origin;
use crate::registry::{Hooks, Tables};
use crate::triggers::{Trigger, trigger};
use crate::wire::Spelled;

/// What stands in the place of the class where it is about files.
pub const FILE: &str = "@File";

/// A file, as cloud code sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CloudFile {
    /// Its name.
    pub name: String,
    /// Where it can be read. A file that a handler before a save answers with one is stored already.
    pub url: Option<String>,
    /// What it is.
    pub content_type: Option<String>,
    /// Its content. None of a file that is streamed: a handler that answers with one has that stored in its place.
    pub data: Option<Bytes>,
    /// What is to be known of it.
    pub metadata: Map,
    /// Tags, for places that have them.
    pub tags: Map,
    /// The folder it is put into.
    pub directory: Option<String>,
}

/// What is answered to somebody who asks for a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FoundFile {
    /// The file. With data, these are answered in the place of its content.
    pub file: CloudFile,
    /// Whether browsers shall store it and not show it.
    pub force_download: bool,
    /// The headers of the answer besides those that tell its type and its length.
    pub headers: Vec<(String, String)>,
}

macro_rules! file_triggers {
    ($($(#[$doc:meta])* $type:ident, $name:literal, $table:ident, $answer:ty, { $($(#[$also:meta])* $field:ident: $kind:ty,)* };)*) => {
        $(
            $(#[$doc])*
            pub struct $type {
                /// The file.
                pub file: CloudFile,
                $($(#[$also])* pub $field: $kind,)*
                /// Where the request comes from.
                pub origin: Origin,
            }

            trigger!($type, $name, $table, $answer, const CLASS: Option<&'static str> = Some(FILE););
        )*
    };
}

file_triggers! {
    /// Before a file is stored: the handler may change or refuse it, or answer another one.
    BeforeSaveFile, "beforeSave", before_save_file, CloudFile, {
        /// How many bytes it has, as far as that is known.
        file_size: Option<u64>,
        /// Whether its content comes as it is stored, so that it is not there yet.
        streamed: bool,
    };
    /// After a file was stored. An error reaches the client, but the file is stored.
    AfterSaveFile, "afterSave", after_save_file, (), {
        /// How many bytes it has, as far as that is known.
        file_size: Option<u64>,
    };
    /// Before a file is deleted: an error keeps it.
    BeforeDeleteFile, "beforeDelete", before_delete_file, (), {};
    /// After a file was deleted. An error reaches the client, but the file is gone.
    AfterDeleteFile, "afterDelete", after_delete_file, (), {};
    /// Before a file is looked for, or its metadata: another name has that one found, an error refuses it.
    BeforeFindFile, "beforeFind", before_find_file, CloudFile, {};
    /// After a file was found, or its metadata. It has data where the whole of it is answered and the handler may want it.
    AfterFindFile, "afterFind", after_find_file, FoundFile, {
        /// The headers of the answer.
        headers: Vec<(String, String)>,
    };
}

impl CloudFile {
    /// A file of this name and nothing more.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// As Parse's hooks would have it as JSON.
    fn spell(&self) -> Map {
        let mut file = parsimony_model::map! { "__type" => "File", "name" => self.name.as_str() };
        let texts = [("url", &self.url), ("contentType", &self.content_type), ("directory", &self.directory)];
        for (key, text) in texts {
            if let Some(text) = text {
                file.insert(key.into(), text.as_str().into());
            }
        }
        if let Some(data) = &self.data {
            file.insert("base64".into(), BASE64.encode(data).into());
        }
        file.insert("metadata".into(), self.metadata.clone().into());
        file.insert("tags".into(), self.tags.clone().into());
        file
    }

    /// Takes over what an answer says of it. What is not in the answer stays.
    fn change(mut self, answer: Map) -> Result<Self, ParseError> {
        for (key, value) in answer {
            match (key.as_str(), value) {
                ("name", Value::String(name)) => self.name = name,
                ("url", Value::String(url)) => self.url = Some(url),
                ("contentType", Value::String(kind)) => self.content_type = Some(kind),
                ("directory", Value::String(directory)) => self.directory = Some(directory),
                ("directory", Value::Null) => self.directory = None,
                ("metadata", Value::Object(metadata)) => self.metadata = metadata,
                ("tags", Value::Object(tags)) => self.tags = tags,
                ("base64", Value::String(text)) => {
                    let told =
                        || ParseError::new(ErrorCode::ScriptFailed, "The base64 that a file hook answers is none.");
                    self.data = Some(BASE64.decode(text).map_err(|_malformed| told())?.into());
                }
                _ => {}
            }
        }
        Ok(self)
    }
}

/// The file in an answer: the answer itself, or its `file`.
fn answered(answer: Option<Value>) -> (Option<Map>, Map) {
    let file_of = |value: Value| match value {
        Value::Object(file) => Some(file),
        Value::File(file) => {
            let mut map = parsimony_model::map! { "name" => file.name.as_str() };
            if let Some(url) = file.url {
                map.insert("url".into(), url.as_str().into());
            }
            Some(map)
        }
        _ => None,
    };
    match answer {
        Some(Value::Object(mut answer)) => match answer.shift_remove("file") {
            Some(file) => (file_of(file), answer),
            None if answer.contains_key("name") || answer.contains_key("metadata") || answer.contains_key("tags") => {
                (Some(answer), Map::default())
            }
            None => (None, answer),
        },
        Some(file @ Value::File(_)) => (file_of(file), Map::default()),
        _ => (None, Map::default()),
    }
}

fn spell(file: &CloudFile) -> Map {
    parsimony_model::map! { "className" => FILE, "file" => file.spell() }
}

fn spell_size(body: &mut Map, size: Option<u64>) {
    body.insert("fileSize".into(), size.map_or(Value::Null, |size| Value::Number(size as f64)));
}

fn spell_headers(headers: &[(String, String)]) -> Map {
    headers.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect()
}

impl Spelled for BeforeSaveFile {
    fn spell(&self) -> Map {
        let mut body = spell(&self.file);
        spell_size(&mut body, self.file_size);
        if self.streamed {
            body.insert("stream".into(), true.into());
        }
        body
    }

    fn read(self, answer: Option<Value>) -> Result<CloudFile, ParseError> {
        match answered(answer).0 {
            Some(file) => self.file.change(file),
            None => Ok(self.file),
        }
    }
}

impl Spelled for AfterSaveFile {
    fn spell(&self) -> Map {
        let mut body = spell(&self.file);
        spell_size(&mut body, self.file_size);
        body
    }

    fn read(self, _: Option<Value>) -> Result<(), ParseError> {
        Ok(())
    }
}

impl Spelled for BeforeFindFile {
    fn spell(&self) -> Map {
        spell(&self.file)
    }

    fn read(self, answer: Option<Value>) -> Result<CloudFile, ParseError> {
        match answered(answer).0 {
            Some(file) => self.file.change(file),
            None => Ok(self.file),
        }
    }
}

impl Spelled for AfterFindFile {
    fn spell(&self) -> Map {
        let mut body = spell(&self.file);
        body.insert("forceDownload".into(), false.into());
        body.insert("responseHeaders".into(), spell_headers(&self.headers).into());
        body
    }

    fn read(self, answer: Option<Value>) -> Result<FoundFile, ParseError> {
        let (file, rest) = answered(answer);
        let headers = match rest.get("responseHeaders") {
            Some(Value::Object(headers)) => headers
                .iter()
                .filter_map(|(name, value)| Some((name.to_string(), value.as_str()?.to_owned())))
                .collect(),
            _ => self.headers,
        };
        let sent = self.file.data.clone();
        let mut file = match file {
            Some(file) => self.file.change(file)?,
            None => self.file,
        };
        // What was only shown is not taken for an answer.
        if file.data == sent {
            file.data = None;
        }
        Ok(FoundFile { file, force_download: rest.get("forceDownload").is_some_and(Value::is_truthy), headers })
    }
}

macro_rules! spelled_with_file {
    ($($type:ident)*) => {
        $(
            impl Spelled for $type {
                fn spell(&self) -> Map {
                    spell(&self.file)
                }

                fn read(self, _: Option<Value>) -> Result<(), ParseError> {
                    Ok(())
                }
            }
        )*
    };
}

spelled_with_file!(BeforeDeleteFile AfterDeleteFile);
