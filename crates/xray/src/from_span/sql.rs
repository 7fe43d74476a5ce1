//! The block `sql`.

use super::Options;
use super::known::{Key, KeySet};
use super::span::SpanRead;
use crate::json;

/// The systems that X-Ray shows queries of, by their old names.
const SYSTEMS: [&[u8]; 11] = [
    b"db2",
    b"derby",
    b"hive",
    b"mariadb",
    b"mssql",
    b"mysql",
    b"oracle",
    b"postgresql",
    b"sqlite",
    b"teradata",
    b"other_sql",
];

const DATABASE: KeySet = KeySet::of(&[Key::DbSystem, Key::DbSystemName]);

const OLD: KeySet =
    KeySet::of(&[Key::DbConnectionString, Key::DbSystem, Key::DbName, Key::DbStatement, Key::DbUser]);

/// What is known of a query.
#[derive(Debug)]
pub(super) struct Sql<'a> {
    system: &'a [u8],
    name: &'a [u8],
    statement: &'a [u8],
    stable: bool,
    /// The attributes that are in the block and nowhere else.
    pub consumed: KeySet,
}

/// The query of a span, if it is one in SQL.
#[inline]
pub(super) fn read<'a>(span: &SpanRead<'a>, options: &Options) -> Option<Sql<'a>> {
    if !span.present.meets(DATABASE) {
        return None;
    }
    read_query(span, options.stable_database_conventions)
}

fn read_query<'a>(span: &SpanRead<'a>, stable: bool) -> Option<Sql<'a>> {
    let mut consumed = OLD;
    let mut either = |old, new| {
        let found = span.get(old);
        if found.is_none() && stable && span.present.has(new) {
            consumed.insert(new);
            return span.text(new);
        }
        found.map_or(&[][..], |found| found.text())
    };
    let system: &[u8] = match either(Key::DbSystem, Key::DbSystemName) {
        b"microsoft.sql_server" if stable => b"mssql",
        b"oracle.db" if stable => b"oracle",
        b"ibm.db2" if stable => b"db2",
        same => same,
    };
    if !SYSTEMS.contains(&system) {
        return None;
    }
    let name = either(Key::DbName, Key::DbNamespace);
    let statement = either(Key::DbStatement, Key::DbQueryText);
    Some(Sql { system, name, statement, stable, consumed })
}

impl Sql<'_> {
    /// Appends the member `sql`, with a comma before it.
    pub(super) fn write(&self, out: &mut Vec<u8>, span: &SpanRead<'_>) {
        out.extend_from_slice(b",\"sql\":{\"connection_string\":\"");
        let connection = span.text(Key::DbConnectionString);
        let server = if self.stable { span.text(Key::ServerAddress) } else { &[] };
        if !connection.is_empty() {
            json::string_body(out, connection);
        } else if server.is_empty() {
            out.extend_from_slice(b"localhost");
        } else {
            super::http::write_host(out, server);
            super::http::write_port(out, span.get(Key::ServerPort), b"");
        }
        out.push(b'/');
        json::string_body(out, self.name);
        out.push(b'"');
        let mut member = |name: &str, text: &[u8]| {
            if !text.is_empty() {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                json::string(out, text);
            }
        };
        member("url", span.name);
        member("sanitized_query", self.statement);
        member("database_type", self.system);
        member("user", span.text(Key::DbUser));
        out.push(b'}');
    }
}
