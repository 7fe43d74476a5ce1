//! The blocks that every segment may have: `http`, `cause`, `aws`, `sql`, `annotations`.

use super::document::{Annotation, Aws, Cause, Entries, Exception, Extra, Frame, Http, Length, Sql, Value};
use super::host;
use super::scan::{Fault, Place, Text};
use super::steps;
use super::values::Parser;

pub(super) fn http(parser: &mut Parser<'_, '_>) -> Result<Http, Fault> {
    let mut http = Http::EMPTY;
    parser.object("http", &mut |parser, key, name| match key {
        b"request" => request(parser, &mut http),
        b"response" => response(parser, &mut http),
        _ => parser.extra(&["http"], name),
    })?;
    Ok(http)
}

fn request(parser: &mut Parser<'_, '_>, http: &mut Http) -> Result<(), Fault> {
    parser.object("http.request", &mut |parser, key, name| {
        match key {
            b"method" => http.method = parser.text("http.request.method")?,
            b"url" => http.url = parser.text("http.request.url")?,
            b"user_agent" => http.user_agent = parser.text("http.request.user_agent")?,
            b"client_ip" => http.client_ip = parser.text("http.request.client_ip")?,
            b"x_forwarded_for" => http.x_forwarded_for = parser.flag("http.request.x_forwarded_for")?,
            _ => parser.extra(&["http", "request"], name)?,
        }
        Ok(())
    })?;
    Ok(())
}

fn response(parser: &mut Parser<'_, '_>, http: &mut Http) -> Result<(), Fault> {
    parser.object("http.response", &mut |parser, key, name| {
        match key {
            b"status" => http.status = parser.int("http.response.status")?,
            b"content_length" => {
                let start = parser.start()?;
                http.content_length = match parser.value()? {
                    Value::Text(text) => Length::Text(text),
                    Value::Number(number, _) => Length::Number(number),
                    Value::Bool(_) | Value::Other(_) => {
                        parser.keep(&["http", "response"], name, parser.scan.since(start));
                        Length::None
                    }
                };
            }
            _ => parser.extra(&["http", "response"], name)?,
        }
        Ok(())
    })?;
    Ok(())
}

pub(super) fn cause(parser: &mut Parser<'_, '_>, name: Text) -> Result<Cause, Fault> {
    if parser.scan.peek()? == b'"' {
        return Ok(Cause::Id(parser.scan.string()?));
    }
    let (mut exceptions, mut working_directory, mut paths) = (Entries::default(), Text::NONE, Place::NONE);
    let mut empty = true;
    let start = parser.start()?;
    let present = parser.object("cause", &mut |parser, key, name| {
        empty = false;
        match key {
            b"working_directory" => working_directory = parser.text("cause.working_directory")?,
            b"paths" => paths = parser.texts("cause.paths", &["cause"], name)?,
            b"exceptions" => {
                let start = parser.start()?;
                exceptions = exception_list(parser)?;
                let place = parser.scan.since(start);
                if exceptions.is_empty() && place.get(parser.scan.json()).starts_with(b"[") {
                    parser.keep(&["cause"], name, place);
                }
            }
            _ => parser.extra(&["cause"], name)?,
        }
        Ok(())
    })?;
    if present && empty {
        parser.keep(&[], name, parser.scan.since(start));
    }
    Ok(if present {
        Cause::Exceptions { exceptions, working_directory, paths, empty }
    } else {
        Cause::Absent
    })
}

fn exception_list(parser: &mut Parser<'_, '_>) -> Result<Entries, Fault> {
    let start = parser.document.exceptions.len();
    parser.array("cause.exceptions", &mut |parser| {
        let mut exception = Exception {
            id: Text::NONE,
            message: Text::NONE,
            kind: Text::NONE,
            remote: None,
            truncated: None,
            skipped: None,
            cause: Text::NONE,
            frames: Entries::default(),
            stack: Place::NONE,
            others: Entries::default(),
        };
        let others = parser.document.of_exceptions.len();
        parser.object("cause.exceptions", &mut |parser, key, name| {
            match key {
                b"id" => exception.id = parser.text("exceptions.id")?,
                b"message" => exception.message = parser.text("exceptions.message")?,
                b"type" => exception.kind = parser.text("exceptions.type")?,
                b"remote" => exception.remote = parser.flag("exceptions.remote")?,
                b"truncated" => exception.truncated = parser.int("exceptions.truncated")?,
                b"skipped" => exception.skipped = parser.int("exceptions.skipped")?,
                b"cause" => exception.cause = parser.text("exceptions.cause")?,
                b"stack" => {
                    let start = parser.start()?;
                    exception.frames = frames(parser)?;
                    exception.stack = parser.scan.since(start);
                    if exception.frames.is_empty() && exception.stack.get(parser.scan.json()) != b"null" {
                        parser.keep_of_exception(name, exception.stack);
                    }
                }
                _ => {
                    let value = parser.scan.skip(0)?;
                    parser.keep_of_exception(name, value);
                }
            }
            Ok(())
        })?;
        exception.others = Entries { start: others, end: parser.document.of_exceptions.len() };
        parser.document.exceptions.push(exception);
        Ok(())
    })?;
    Ok(Entries { start, end: parser.document.exceptions.len() })
}

fn frames(parser: &mut Parser<'_, '_>) -> Result<Entries, Fault> {
    let start = parser.document.frames.len();
    parser.array("exceptions.stack", &mut |parser| {
        let mut frame = Frame { path: Text::NONE, line: None, label: Text::NONE };
        parser.object("exceptions.stack", &mut |parser, key, _| {
            match key {
                b"path" => frame.path = parser.text("stack.path")?,
                b"line" => frame.line = parser.int("stack.line")?,
                b"label" => frame.label = parser.text("stack.label")?,
                _ => parser.pass()?,
            }
            Ok(())
        })?;
        parser.document.frames.push(frame);
        Ok(())
    })?;
    Ok(Entries { start, end: parser.document.frames.len() })
}

pub(super) fn sql(parser: &mut Parser<'_, '_>) -> Result<Sql, Fault> {
    let mut sql = Sql::EMPTY;
    parser.object("sql", &mut |parser, key, name| {
        match key {
            b"connection_string" => sql.connection_string = parser.text("sql.connection_string")?,
            b"url" => sql.url = parser.text("sql.url")?,
            b"sanitized_query" => sql.sanitized_query = parser.text("sql.sanitized_query")?,
            b"database_type" => sql.database_type = parser.text("sql.database_type")?,
            b"database_version" => sql.database_version = parser.text("sql.database_version")?,
            b"driver_version" => sql.driver_version = parser.text("sql.driver_version")?,
            b"user" => sql.user = parser.text("sql.user")?,
            b"preparation" => sql.preparation = parser.text("sql.preparation")?,
            _ => parser.extra(&["sql"], name)?,
        }
        Ok(())
    })?;
    Ok(sql)
}

pub(super) fn annotations(parser: &mut Parser<'_, '_>) -> Result<Entries, Fault> {
    let start = parser.document.annotations.len();
    parser.object("annotations", &mut |parser, _, key| {
        let start = parser.start()?;
        let value = parser.value()?;
        let place = parser.scan.since(start);
        if let (Value::Other(value), true) = (value, parser.preserve) {
            let segment = parser.current;
            parser.document.extras.push(Extra { segment, path: &["annotations"], key, value });
        }
        parser.document.annotations.push(Annotation { key, value, place });
        Ok(())
    })?;
    let json = parser.scan.json();
    keep_last(&mut parser.document.annotations, start, |annotation| annotation.key.get(json));
    Ok(Entries { start, end: parser.document.annotations.len() })
}

/// Of the entries from `start` that have the same key keeps the last.
pub(super) fn keep_last<T, K: Ord>(list: &mut Vec<T>, start: usize, key: impl Fn(&T) -> K) {
    let entries = list.get(start..).unwrap_or_default();
    steps::took(entries.len());
    if entries.len() < 2 {
        return;
    }
    let mut order: Vec<(K, usize)> = entries.iter().enumerate().map(|(at, entry)| (key(entry), at)).collect();
    order.sort_unstable();
    let outdated = |pair: &[(K, usize)]| match pair {
        [(key, at), (next, _)] if key == next => Some(start + *at),
        _ => None,
    };
    let mut outdated: Vec<usize> = order.windows(2).filter_map(outdated).collect();
    outdated.sort_unstable();
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        outdated.binary_search(&(at - 1)).is_err()
    });
}

pub(super) fn aws(parser: &mut Parser<'_, '_>, outermost: bool) -> Result<Aws, Fault> {
    let mut aws = Aws::EMPTY;
    let present = parser.object("aws", &mut |parser, key, name| {
        match key {
            b"account_id" => aws.account_id = parser.text("aws.account_id")?,
            b"operation" => aws.operation = parser.text("aws.operation")?,
            b"region" => aws.region = parser.text("aws.region")?,
            b"request_id" => aws.request_id = parser.text("aws.request_id")?,
            b"queue_url" => aws.queue_url = parser.text("aws.queue_url")?,
            b"table_name" => aws.table_name = parser.text("aws.table_name")?,
            b"retries" => aws.retries = parser.int("aws.retries")?,
            b"table_names" => aws.table_names = parser.texts("aws.table_names", &["aws"], name)?,
            b"resource_names" => aws.resource_names = names_of_resources(parser, name)?,
            b"ec2" => host::ec2(parser, outermost)?,
            b"ecs" => host::ecs(parser, outermost)?,
            b"eks" => host::eks(parser, outermost)?,
            b"elastic_beanstalk" => host::beanstalk(parser, outermost)?,
            b"xray" => host::sdk(parser, outermost, name)?,
            b"cloudwatch_logs" => host::logs(parser, outermost, name)?,
            _ => parser.extra(&["aws"], name)?,
        }
        Ok(())
    })?;
    parser.document.root.has_aws |= present && outermost;
    Ok(aws)
}

/// The reference does not know this one, so that any value is fine.
fn names_of_resources(parser: &mut Parser<'_, '_>, name: Text) -> Result<Place, Fault> {
    if !parser.preserve {
        parser.pass()?;
        return Ok(Place::NONE);
    }
    let place = parser.ahead()?;
    let json = parser.scan.json();
    let mut list = host::reborrow(parser);
    let read = list.texts("aws.resource_names", &["aws"], name)?;
    if list.wrong.is_none() && place.get(json).starts_with(b"[") {
        parser.scan.skip(0)?;
        return Ok(read);
    }
    parser.extra(&["aws"], name)?;
    Ok(Place::NONE)
}
