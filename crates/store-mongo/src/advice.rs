//! How does the driver say what a client advises: an index, a remark, a member of the replica set?

use bson::{Bson, Document};
use mongodb::options::{Hint as MongoHint, ReadPreference as MongoPreference, SelectionCriteria};
use parsimony_model::Value;
use parsimony_model::query::{Hint, ReadPreference};
use parsimony_store::Selection;

use crate::documents::{self, Place};

/// The index to use.
pub(crate) fn hint(selection: &Selection) -> Option<MongoHint> {
    Some(match selection.advice.hint.as_ref()? {
        Hint::Name(name) => MongoHint::Name(name.clone()),
        Hint::Keys(keys) => {
            let key = |(key, value): (_, &Value)| {
                Some((ToString::to_string(key), documents::bson(value, Place::Inside).ok()?))
            };
            MongoHint::Keys(keys.iter().filter_map(key).collect::<Document>())
        }
    })
}

/// The remark for the server's logs.
pub(crate) fn comment(selection: &Selection) -> Option<Bson> {
    selection.advice.comment.clone().map(Bson::String)
}

/// Which member to ask. Inside a transaction there is only the one that writes.
pub(crate) fn criteria(selection: &Selection, in_transaction: bool) -> Option<SelectionCriteria> {
    let preference = selection.advice.read_preference.filter(|_| !in_transaction)?;
    let options = None;
    Some(SelectionCriteria::ReadPreference(match preference {
        ReadPreference::Primary => MongoPreference::Primary,
        ReadPreference::PrimaryPreferred => MongoPreference::PrimaryPreferred { options },
        ReadPreference::Secondary => MongoPreference::Secondary { options },
        ReadPreference::SecondaryPreferred => MongoPreference::SecondaryPreferred { options },
        ReadPreference::Nearest => MongoPreference::Nearest { options },
    }))
}
