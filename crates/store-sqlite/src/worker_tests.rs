//! When is a write durable, and whom does a bad one harm?

use std::path::Path;

use super::*;
use crate::open;
use crate::patterns::Patterns;

type Told = oneshot::Receiver<Result<(), StoreError>>;

struct Given {
    folder: tempfile::TempDir,
    sender: flume::Sender<Message>,
    writer: Writer,
}

fn given(limits: Limits) -> Given {
    let folder = tempfile::tempdir().unwrap();
    let connection = open::writer(&folder.path().join("f.db"), &limits, &Arc::new(Patterns::default())).unwrap();
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)", []).unwrap();
    let (sender, messages) = flume::unbounded();
    Given { folder, sender, writer: Writer::new(connection, messages, limits) }
}

/// How many rows another connection sees: those that are committed.
fn seen(folder: &Path) -> i64 {
    let other = Connection::open(folder.join("f.db")).unwrap();
    other.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn insert(number: i64) -> impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static {
    move |connection| {
        connection.execute("INSERT INTO t VALUES (?)", [number]).map_err(store_error)?;
        Ok(())
    }
}

impl Given {
    fn write(&self, work: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static) -> Told {
        let (reply, told) = oneshot::channel();
        self.sender.send(Message::Write(job(work, reply))).unwrap();
        told
    }

    /// Does all that waits. Gives the folder, which goes with its file when it is dropped.
    fn run(self) -> tempfile::TempDir {
        drop(self.sender);
        self.writer.run();
        self.folder
    }
}

#[test]
fn what_waits_together_is_committed_together_and_answered_afterwards() {
    let given = given(Limits::default());
    let path = given.folder.path().to_owned();
    let (report, counts) = flume::unbounded();
    for number in 0..10 {
        let (path, report) = (path.clone(), report.clone());
        given
            .sender
            .send(Message::Write(Box::new(move |connection| {
                insert(number)(connection).unwrap();
                report.send(seen(&path)).unwrap();
                let answer = move |durable: Result<(), StoreError>| {
                    durable.unwrap();
                    report.send(seen(&path)).unwrap();
                };
                Ran { kept: true, answer: Box::new(answer) }
            })))
            .unwrap();
    }
    drop(report);
    let _folder = given.run();
    let counts: Vec<i64> = counts.drain().collect();
    assert_eq!(counts, [vec![0; 10], vec![10; 10]].concat(), "one commit, and only then the first answer");
}

#[test]
fn a_group_has_a_bound() {
    let given = given(Limits { group_jobs_max: 2, ..Limits::default() });
    let path = given.folder.path().to_owned();
    let told: Vec<Told> = (0..2).map(|number| given.write(insert(number))).collect();
    let late = given.write(move |_| {
        assert_eq!(seen(&path), 2);
        Ok(())
    });
    let _folder = given.run();
    assert!(told.into_iter().chain([late]).all(|mut told| told.try_recv().unwrap().is_ok()));
}

#[test]
fn a_write_that_fails_harms_no_other() {
    let given = given(Limits::default());
    let mut first = given.write(insert(1));
    let mut twice = given.write(|connection| {
        insert(2)(connection)?;
        insert(1)(connection)
    });
    let mut panicking = given.write(|connection| {
        insert(3)(connection)?;
        panic!("a defect");
    });
    let mut last = given.write(insert(4));
    let folder = given.run();
    assert!(first.try_recv().unwrap().is_ok());
    assert!(matches!(twice.try_recv().unwrap(), Err(StoreError::Duplicate { .. })));
    assert!(panicking.try_recv().is_err(), "whoever waits hears that there will be no answer");
    assert!(last.try_recv().unwrap().is_ok());
    assert_eq!(seen(folder.path()), 2, "what the bad ones wrote first is gone");
}

#[test]
fn without_a_commit_everyone_is_told_so() {
    let given = given(Limits { busy_millis_max: 1, ..Limits::default() });
    let other = Connection::open(given.folder.path().join("f.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    given.writer.connection.busy_timeout(Duration::from_millis(1)).unwrap();
    let mut told = given.write(insert(1));
    let folder = given.run();
    assert!(told.try_recv().is_err());
    drop(other);
    assert_eq!(seen(folder.path()), 0);
}
