//! The keys of the fake and their transactions, as Consul's state store has them. Time is an argument.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vip_manager::time::Moment;

use super::sessions::Session;

/// What Consul refuses: the status and the text.
pub(super) type Refused = (u16, String);

/// Everything that Consul's servers agree on.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    index: u64,
    /// The index of the last change of any key.
    keys_index: u64,
    /// The index of the last change of any session.
    pub(super) sessions_index: u64,
    entries: BTreeMap<String, Entry>,
    pub(super) sessions: BTreeMap<String, Session>,
    /// Until when nobody gets the lock of a key.
    delays: BTreeMap<String, Moment>,
    /// The nodes that are registered.
    pub(super) nodes: BTreeSet<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    lock_index: u64,
    value: Vec<u8>,
    session: Option<String>,
    created: u64,
    modified: u64,
}

/// What was read: the index, and the rows, if there are any.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) index: u64,
    pub(super) rows: Option<Value>,
}

/// How a key is written.
#[derive(Debug)]
pub(super) enum Write {
    Put(Vec<u8>),
    Cas(Vec<u8>, u64),
    Acquire(Vec<u8>, String),
    Release(Vec<u8>, String),
    Delete,
    DeleteCas(u64),
}

impl Store {
    pub(super) fn next(&mut self) -> u64 {
        self.index += 1;
        self.index
    }

    pub(super) fn key(&self, key: &str) -> Page {
        let Some(entry) = self.entries.get(key) else { return Page { index: self.keys_index, rows: None } };
        Page { index: entry.modified, rows: Some(json!([entry.row(key, true)])) }
    }

    /// The names of the keys with this prefix.
    pub(super) fn keys(&self, prefix: &str) -> Page {
        let found: Vec<&str> = self.entries.keys().map(String::as_str).filter(|key| key.starts_with(prefix)).collect();
        let of_found = found.iter().map(|key| self.entries[*key].modified).max();
        Page { index: of_found.unwrap_or(self.keys_index), rows: (!found.is_empty()).then(|| json!(found)) }
    }

    /// Whether it was written.
    pub(super) fn write(&mut self, key: &str, write: Write, now: Moment) -> Result<bool, Refused> {
        if matches!(write, Write::Acquire(..)) && self.is_delayed(key, now) {
            return Ok(false);
        }
        let index = self.next();
        let found = self.entries.get(key);
        let modified = found.map(|entry| entry.modified);
        match write {
            Write::Put(value) => self.set(key, value, index),
            Write::Cas(value, seen) => {
                if modified.unwrap_or(0) != seen {
                    return Ok(false);
                }
                self.set(key, value, index);
            }
            Write::Acquire(value, session) => {
                self.check_session(&session)?;
                return Ok(self.lock(key, value, &session, index));
            }
            Write::Release(value, session) => return Ok(self.unlock(key, value, &session, index)),
            Write::Delete => self.remove(key, index),
            Write::DeleteCas(seen) => {
                if modified.is_some_and(|modified| modified != seen) {
                    return Ok(false);
                }
                self.remove(key, index);
            }
        }
        Ok(true)
    }

    /// Carries out all operations or none.
    pub(super) fn transact(&mut self, operations: &[Value], now: Moment) -> Result<(u16, Value), Refused> {
        let text = |operation: &Value, field: &str| operation["KV"][field].as_str().unwrap_or_default().to_owned();
        let failed = |errors: Vec<Value>| Ok((409, json!({"Results": null, "Errors": errors})));
        for (place, operation) in operations.iter().enumerate() {
            let key = text(operation, "Key");
            if text(operation, "Verb") == "lock" && self.is_delayed(&key, now) {
                let what = format!("failed to lock key \"{key}\" due to lock delay");
                return failed(vec![json!({"OpIndex": place, "What": what})]);
            }
        }
        let (mut copy, mut results, mut errors) = (self.clone(), Vec::new(), Vec::new());
        let index = copy.next();
        for (place, operation) in operations.iter().enumerate() {
            let (verb, key, session) = (text(operation, "Verb"), text(operation, "Key"), text(operation, "Session"));
            let value = STANDARD.decode(text(operation, "Value"));
            let value = value.map_err(|error| (400, format!("Failed to parse body: {error}")))?;
            let version = operation["KV"]["Index"].as_u64().unwrap_or(0);
            let done = match verb.as_str() {
                "check-index" => copy.check_index(&key, version),
                "check-not-exists" if copy.entries.contains_key(&key) => Err(format!("key \"{key}\" exists")),
                "check-not-exists" => Ok(()),
                "lock" => match copy.check_session(&session) {
                    Err((_, what)) => Err(what),
                    Ok(()) if copy.lock(&key, value, &session, index) => Ok(()),
                    Ok(()) => Err(format!("failed to lock key \"{key}\", lock is already held")),
                },
                "unlock" if copy.unlock(&key, value, &session, index) => Ok(()),
                "unlock" => {
                    Err(format!("failed to unlock key \"{key}\", lock isn't held, or is held by another session"))
                }
                "delete-cas" if copy.entries.get(&key).is_none_or(|entry| entry.modified == version) => {
                    copy.remove(&key, index);
                    continue;
                }
                "delete-cas" => Err(format!("failed to delete key \"{key}\", index is stale")),
                other => return Err(super::unknown(&format!("the operation {other}"))),
            };
            match (done, copy.entries.get(&key)) {
                (Err(what), _) => errors.push(json!({"OpIndex": place, "What": what})),
                (Ok(()), Some(entry)) => results.push(json!({"KV": entry.row(&key, false)})),
                (Ok(()), None) => {}
            }
        }
        if !errors.is_empty() {
            return failed(errors);
        }
        *self = copy;
        Ok((200, json!({"Results": results, "Errors": null})))
    }

    /// Takes the session from the keys that it has locked: they are deleted, or go on without it.
    pub(super) fn let_go(&mut self, session: &str, delete: bool, delayed_until: Option<Moment>, index: u64) {
        let locked: Vec<String> = self.entries.iter().filter(|(_, entry)| entry.is_of(session)).map(key_of).collect();
        for key in locked {
            if delete {
                self.remove(&key, index);
            } else if let Some(entry) = self.entries.get_mut(&key) {
                (entry.session, entry.modified) = (None, index);
                self.keys_index = index;
            }
            if let Some(until) = delayed_until {
                self.delays.insert(key, until);
            }
        }
    }

    fn is_delayed(&self, key: &str, now: Moment) -> bool {
        self.delays.get(key).is_some_and(|until| now < *until)
    }

    fn check_session(&self, session: &str) -> Result<(), Refused> {
        super::sessions::check_id(session)?;
        let known = self.sessions.contains_key(session);
        if known { Ok(()) } else { Err((500, format!("invalid session \"{session}\""))) }
    }

    fn check_index(&self, key: &str, version: u64) -> Result<(), String> {
        match self.entries.get(key).map(|entry| entry.modified) {
            None => Err(format!("failed to check index, key \"{key}\" doesn't exist")),
            Some(modified) if modified == version => Ok(()),
            Some(modified) => {
                Err(format!("failed index check for key \"{key}\", current modify index {modified} != {version}"))
            }
        }
    }

    fn lock(&mut self, key: &str, value: Vec<u8>, session: &str, index: u64) -> bool {
        let (held, before) = self.entries.get(key).map_or((None, 0), |entry| (entry.session.clone(), entry.lock_index));
        match held {
            Some(holder) if holder != session => return false,
            Some(_) => self.change(key, value, Some(session.to_owned()), before, index),
            None => self.change(key, value, Some(session.to_owned()), before + 1, index),
        }
        true
    }

    fn unlock(&mut self, key: &str, value: Vec<u8>, session: &str, index: u64) -> bool {
        let Some(held) = self.entries.get(key).filter(|entry| entry.is_of(session)) else { return false };
        let before = held.lock_index;
        self.change(key, value, None, before, index);
        true
    }

    /// Keeps the lock.
    fn set(&mut self, key: &str, value: Vec<u8>, index: u64) {
        let session = self.entries.get(key).and_then(|entry| entry.session.clone());
        self.change(key, value, session, 0, index);
    }

    /// What changes nothing is not written.
    fn change(&mut self, key: &str, value: Vec<u8>, session: Option<String>, lock_index: u64, index: u64) {
        let found = self.entries.get(key);
        let created = found.map_or(index, |entry| entry.created);
        let modified = found.map_or(index, |entry| entry.modified);
        let same = Entry { lock_index, value, session, created, modified };
        if found != Some(&same) {
            self.entries.insert(key.to_owned(), Entry { modified: index, ..same });
            self.keys_index = index;
        }
    }

    fn remove(&mut self, key: &str, index: u64) {
        if self.entries.remove(key).is_some() {
            self.keys_index = index;
        }
    }
}

impl Entry {
    fn is_of(&self, session: &str) -> bool {
        self.session.as_deref() == Some(session)
    }

    fn row(&self, key: &str, with_value: bool) -> Value {
        let value = (with_value && !self.value.is_empty()).then(|| STANDARD.encode(&self.value));
        let mut row = json!({"LockIndex": self.lock_index, "Key": key, "Flags": 0, "Value": value,
            "CreateIndex": self.created, "ModifyIndex": self.modified});
        if let Some(session) = &self.session {
            row["Session"] = json!(session);
        }
        row
    }
}

fn key_of((key, _): (&String, &Entry)) -> String {
    key.clone()
}
