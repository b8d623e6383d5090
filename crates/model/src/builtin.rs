//! Which classes does Parse bring along: one table.

use indexmap::IndexMap;

use crate::names::{ClassName, FieldName};
use crate::schema::{Field, FieldType};

/// A class that Parse brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// People who log in.
    User,
    /// Who is logged in.
    Session,
    /// Groups of users.
    Role,
    /// Devices.
    Installation,
    /// In-app purchases.
    Product,
    /// What was pushed.
    PushStatus,
    /// Which jobs ran.
    JobStatus,
    /// Which jobs shall run.
    JobSchedule,
    /// Webhooks.
    Hooks,
    /// Configuration for clients.
    GlobalConfig,
    /// Configuration of GraphQL.
    GraphQLConfig,
    /// Stored push queries.
    Audience,
    /// Request ids seen.
    Idempotency,
    /// What requests were answered that may come again; ours.
    SavedReply,
    /// How often something was asked, where all servers count together; ours.
    RateCount,
    /// What was pushed to the classes, by whom; ours.
    SchemaChange,
    /// Who may start jobs, and what of each schedule is done; ours.
    JobLease,
    /// Which jobs are under way, and where; ours.
    JobRun,
    /// Which jobs do not run by themselves for a while; ours.
    JobPause,
    /// Which pushes wait or are under way, and how far they have come; ours.
    PushWork,
    /// Hook scripts, each version of each; ours.
    HookScript,
    /// The mark of a database that another one is being copied into; ours.
    Move,
}

/// A row: the class, its name, whether only the master key may use it, and its fields as `name:Type`.
type Row = (Builtin, &'static str, bool, &'static [&'static str]);

const TABLE: &[Row] = &[
    (
        Builtin::User,
        "_User",
        false,
        &["username:String", "password:String", "email:String", "emailVerified:Boolean", "authData:Object"],
    ),
    (
        Builtin::Session,
        "_Session",
        false,
        &["user:*_User", "installationId:String", "sessionToken:String", "expiresAt:Date", "createdWith:Object"],
    ),
    (Builtin::Role, "_Role", false, &["name:String", "users:&_User", "roles:&_Role"]),
    (
        Builtin::Installation,
        "_Installation",
        false,
        &[
            "installationId:String",
            "deviceToken:String",
            "channels:Array",
            "deviceType:String",
            "pushType:String",
            "GCMSenderId:String",
            "timeZone:String",
            "localeIdentifier:String",
            "badge:Number",
            "appVersion:String",
            "appName:String",
            "appIdentifier:String",
            "parseVersion:String",
        ],
    ),
    (
        Builtin::Product,
        "_Product",
        false,
        &[
            "productIdentifier:String",
            "download:File",
            "downloadName:String",
            "icon:File",
            "order:Number",
            "title:String",
            "subtitle:String",
        ],
    ),
    (
        Builtin::PushStatus,
        "_PushStatus",
        true,
        &[
            "pushTime:String",
            "source:String",
            "query:String",
            "payload:String",
            "title:String",
            "expiry:Number",
            "expiration_interval:Number",
            "status:String",
            "numSent:Number",
            "numFailed:Number",
            "pushHash:String",
            "errorMessage:Object",
            "sentPerType:Object",
            "failedPerType:Object",
            "sentPerUTCOffset:Object",
            "failedPerUTCOffset:Object",
            "count:Number",
        ],
    ),
    (
        Builtin::JobStatus,
        "_JobStatus",
        true,
        &["jobName:String", "source:String", "status:String", "message:String", "params:Object", "finishedAt:Date"],
    ),
    (
        Builtin::JobSchedule,
        "_JobSchedule",
        true,
        &[
            "jobName:String",
            "description:String",
            "params:String",
            "startAfter:String",
            "daysOfWeek:Array",
            "timeOfDay:String",
            "lastRun:Number",
            "repeatMinutes:Number",
        ],
    ),
    (Builtin::Hooks, "_Hooks", true, &["functionName:String", "className:String", "triggerName:String", "url:String"]),
    (Builtin::GlobalConfig, "_GlobalConfig", true, &["params:Object", "masterKeyOnly:Object"]),
    (Builtin::GraphQLConfig, "_GraphQLConfig", true, &["config:Object"]),
    (Builtin::Audience, "_Audience", true, &["name:String", "query:String", "lastUsed:Date", "timesUsed:Number"]),
    (Builtin::Idempotency, "_Idempotency", true, &["reqId:String", "expire:Date"]),
    (Builtin::SavedReply, "_SavedReply", true, &["asked:String", "reply:Object", "expire:Date"]),
    (Builtin::RateCount, "_RateCount", true, &["requests:Number", "expire:Date"]),
    (
        Builtin::SchemaChange,
        "_SchemaChange",
        true,
        &[
            "number:Number",
            "kind:String",
            "author:String",
            "digest:String",
            "state:String",
            "aliveUntil:Date",
            "endedAt:Date",
            "steps:String",
            "before:String",
            "after:String",
            "message:String",
            "undoes:Number",
        ],
    ),
    (
        Builtin::JobLease,
        "_JobLease",
        true,
        &["name:String", "owner:String", "token:Number", "aliveUntil:Date", "due:Date"],
    ),
    (
        Builtin::JobRun,
        "_JobRun",
        true,
        &[
            "jobName:String",
            "source:String",
            "params:Object",
            "schedule:String",
            "due:Date",
            "owner:String",
            "attempt:Number",
            "aliveUntil:Date",
            "cancelled:Boolean",
        ],
    ),
    (Builtin::JobPause, "_JobPause", true, &["jobName:String"]),
    (
        Builtin::PushWork,
        "_PushWork",
        true,
        &[
            "query:String",
            "body:String",
            "at:Date",
            "due:Date",
            "localTime:Number",
            "interval:Number",
            "expiresAt:Date",
            "owner:String",
            "aliveUntil:Date",
            "tries:Number",
            "doneUpTo:Date",
            "passUpTo:Date",
            "cursor:String",
            "badgedUpTo:String",
            "counts:Object",
        ],
    ),
    (
        Builtin::HookScript,
        "_HookScript",
        true,
        &["name:String", "version:Number", "text:String", "author:String", "deleted:Boolean"],
    ),
    (Builtin::Move, "_Move", true, &["source:String"]),
];

fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.1 == name)
}

impl Builtin {
    /// Which built-in class has this name, if any.
    pub fn of(class: &ClassName) -> Option<Self> {
        // Every built-in name starts so; no other class name may.
        class.as_str().starts_with('_').then(|| row(class.as_str()))?.map(|row| row.0)
    }

    /// Each of them.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// Its name.
    pub fn name(self) -> ClassName {
        // The table has a row for each variant: `every_class_has_its_row` holds that.
        ClassName::builtin(TABLE.iter().find(|row| row.0 == self).map_or("_User", |row| row.1))
    }

    /// Whether clients are kept out altogether.
    pub fn is_master_only(self) -> bool {
        TABLE.iter().any(|row| row.0 == self && row.2)
    }

    /// Whether its schema is Parse's alone and has no row in the store's list of classes.
    pub fn is_volatile(self) -> bool {
        self.is_master_only()
    }
}

/// Whether a class of this name comes with Parse.
pub fn is_builtin(name: &str) -> bool {
    row(name).is_some()
}

/// The fields Parse gives a class of this name: none, unless it is a built-in one.
pub fn fields_of(class: &str) -> IndexMap<FieldName, Field> {
    let fields = row(class).map_or(&[][..], |row| row.3);
    fields
        .iter()
        .filter_map(|field| field.split_once(':'))
        .map(|(name, kind)| (FieldName::builtin(name), Field::plain(kind_of(kind))))
        .collect()
}

fn kind_of(text: &'static str) -> FieldType {
    if let Some(class) = text.strip_prefix('*') {
        return FieldType::Pointer(ClassName::builtin(class));
    }
    if let Some(class) = text.strip_prefix('&') {
        return FieldType::Relation(ClassName::builtin(class));
    }
    match text {
        "Number" => FieldType::Number,
        "Boolean" => FieldType::Boolean,
        "Date" => FieldType::Date,
        "Object" => FieldType::Object,
        "Array" => FieldType::Array,
        "File" => FieldType::File,
        _ => FieldType::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_row() {
        for (builtin, name, ..) in TABLE {
            assert_eq!(builtin.name(), *name);
            assert_eq!(Builtin::of(&builtin.name()), Some(*builtin));
        }
        assert_eq!(fields_of("_Role").len(), 3);
        assert_eq!(fields_of("Mine").len(), 0);
        assert_eq!(fields_of("_PushStatus").len(), 17);
    }
}
