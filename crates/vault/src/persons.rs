//! Whose secrets are known? One object of `PersonKey` for each person, made when the first value of that person is sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moka::sync::Cache;
use parking_lot::Mutex;
use parsimony_model::permissions::ClassPermissions;
use parsimony_model::schema::Field;
use parsimony_model::value::Map;
use parsimony_model::{Acl, ClassName, ClassSchema, Clock, FieldName, FieldType, Filter, Object, ObjectId};
use parsimony_store::{Objects, Scope, Selection, Store, StoreError};

/// The class of the secrets, for the master key alone. Who deletes one, makes that person's data unreadable for good.
pub const PERSON_KEYS: &str = "PersonKey";

/// The field of the secret.
const SECRET: &str = "secret";

/// How many bytes a secret has.
const SECRET_BYTES: usize = 32;

/// How many secrets are kept in memory.
const KNOWN_MAX: u64 = 100_000;

/// For how long a server may go on to read what another one has erased.
const KNOWN_SECONDS_MAX: u64 = 30;

/// The secrets of persons.
pub(crate) struct Persons {
    class: Arc<ClassSchema>,
    known: Cache<String, Arc<[u8]>>,
}

/// The secrets that an open transaction has made: others know them when it is committed.
pub(crate) type Made = Mutex<BTreeMap<String, Arc<[u8]>>>;

impl Persons {
    pub(crate) fn new() -> Result<Self, StoreError> {
        let unfit = |error: parsimony_model::ParseError| StoreError::Unfit(error.to_string());
        let mut class = ClassSchema::new(ClassName::parse(PERSON_KEYS).map_err(unfit)?);
        class.fields.insert(FieldName::parse(SECRET).map_err(unfit)?, Field::plain(FieldType::String));
        class.permissions = Some(ClassPermissions::default());
        let ttl = Duration::from_secs(KNOWN_SECONDS_MAX);
        let known = Cache::builder().max_capacity(KNOWN_MAX).time_to_live(ttl).build();
        Ok(Self { class: Arc::new(class), known })
    }

    /// Makes the class if it is not there. Inside of a transaction that could not be done.
    pub(crate) async fn prepare(&self, store: &dyn Store) -> Result<(), StoreError> {
        store.create_class(&self.class).await.map(drop)
    }

    /// Forgets whom it knows: somebody was deleted.
    pub(crate) fn forget(&self) {
        self.known.invalidate_all();
    }

    /// What a committed transaction has made.
    pub(crate) fn learn(&self, made: &Made) {
        for (person, secret) in std::mem::take(&mut *made.lock()) {
            self.known.insert(person, secret);
        }
    }

    /// The secrets of these persons; those that have none are not in it.
    pub(crate) async fn of(
        &self,
        persons: BTreeSet<&str>,
        objects: &dyn Objects,
        made: Option<&Made>,
    ) -> Result<BTreeMap<String, Arc<[u8]>>, StoreError> {
        let mut secrets = BTreeMap::new();
        let mut unknown = Vec::new();
        for person in persons.into_iter().filter(|person| !person.is_empty()) {
            let own = made.and_then(|made| made.lock().get(person).cloned());
            match own.or_else(|| self.known.get(person)) {
                Some(secret) => drop(secrets.insert(person.to_owned(), secret)),
                None => unknown.extend(ObjectId::parse(person).ok()),
            }
        }
        if unknown.is_empty() {
            return Ok(secrets);
        }
        let selection = Selection::new(Arc::clone(&self.class), Filter::ids(&unknown), Scope::Everything);
        for object in objects.find(&selection).await? {
            let secret = object.text(SECRET).and_then(|text| STANDARD.decode(text).ok());
            let Some(secret) = secret.filter(|secret| secret.len() == SECRET_BYTES).map(Arc::<[u8]>::from) else {
                return Err(StoreError::Corrupt(format!("{PERSON_KEYS} {} has no secret", object.id)));
            };
            // What a transaction reads it may have written itself.
            match made {
                Some(made) => drop(made.lock().insert(object.id.to_string(), Arc::clone(&secret))),
                None => self.known.insert(object.id.to_string(), Arc::clone(&secret)),
            }
            secrets.insert(object.id.to_string(), secret);
        }
        Ok(secrets)
    }

    /// The secret of a person, made if there is none.
    pub(crate) async fn of_one(
        &self,
        person: &str,
        objects: &dyn Objects,
        made: Option<&Made>,
        clock: &dyn Clock,
    ) -> Result<Arc<[u8]>, StoreError> {
        for _ in 0..2 {
            if let Some(secret) = self.of(BTreeSet::from([person]), objects, made).await?.remove(person) {
                return Ok(secret);
            }
            let mut secret = [0; SECRET_BYTES];
            clock.fill(&mut secret);
            match objects.insert(&self.class, &self.object(person, &secret, clock)?).await {
                Ok(()) => {
                    let secret = Arc::<[u8]>::from(secret.as_slice());
                    match made {
                        Some(made) => drop(made.lock().insert(person.to_owned(), Arc::clone(&secret))),
                        None => self.known.insert(person.to_owned(), Arc::clone(&secret)),
                    }
                    return Ok(secret);
                }
                // Another request was first; a transaction has to begin anew to see it.
                Err(StoreError::Duplicate { .. }) if made.is_none() => {}
                Err(StoreError::Duplicate { .. }) => {
                    return Err(StoreError::Conflict("another request made the secret of the person".to_owned()));
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict(format!("the secret of {person} comes and goes")))
    }

    fn object(&self, person: &str, secret: &[u8], clock: &dyn Clock) -> Result<Object, StoreError> {
        let now = clock.now();
        Ok(Object {
            class: self.class.name.clone(),
            id: ObjectId::parse(person).map_err(|error| StoreError::Unfit(error.to_string()))?,
            created_at: Some(now),
            updated_at: Some(now),
            acl: Some(Acl::default()),
            fields: Map::from_iter([(SECRET.into(), STANDARD.encode(secret).into())]),
        })
    }
}
