//! What a preserved document tells of its resource.

use std::borrow::Cow;

use otlp::view::{AnyValue, View};

use super::put_other;
use super::tree::{Node, Object};
use crate::from_span::Context;
use crate::from_span::annotations::annotation_key;
use crate::from_span::bound::{Cut, MEMBER, bound};
use crate::from_span::resource::{Entry, PREFIX, ResourceRead};
use crate::from_span::span::Attribute;
use crate::names;

/// What a document has of a large resource, found out once.
#[derive(Debug, Default)]
pub(in crate::from_span) struct OfResource<'a> {
    /// Those with a place in the document.
    fields: Vec<Attribute<'a>>,
    /// The least bytes that these take.
    least: usize,
    /// Those that were added on the way.
    added: Vec<Entry>,
    /// What was cut of these.
    cut: Cut,
}

impl<'a> OfResource<'a> {
    /// Of attributes, and of the entries that they have become in `text`.
    pub(in crate::from_span) fn new(
        attributes: &[Attribute<'a>],
        entries: &[Entry],
        text: &mut Vec<u8>,
        max: usize,
    ) -> Self {
        let mut made = Self::default();
        let mut is_added = vec![false; attributes.len()];
        for (attribute, added) in attributes.iter().zip(&mut is_added) {
            match place(attribute.key) {
                Place::Nowhere => {}
                Place::Added => *added = true,
                Place::Block(..) | Place::Field => made.fields.push(*attribute),
            }
        }
        let has = |at: usize| is_added.get(at).is_some_and(|added| *added);
        let is_written = |entry: &&Entry| {
            let key = attributes.get(entry.at).map_or(&[][..], |attribute| attribute.key);
            !has(entry.at) && !matches!(place(key), Place::Nowhere) && key != b"cloud.provider"
        };
        made.least = entries.iter().filter(is_written).map(|entry| entry.value.len() + MEMBER - 1).sum();
        made.added = entries.iter().filter(|entry| has(entry.at)).cloned().collect();
        made.cut = bound(&mut made.added, text, max);
        made
    }
}

/// What the resource tells of the outermost segment. Of one that was embedded it tells nothing.
pub(super) fn put_resource<'m>(root: &mut Object<'m>, resource: &'m ResourceRead<'m>, context: &mut Context) {
    let Some(large) = &resource.preserved else {
        return resource.attributes().iter().for_each(|attribute| put(root, attribute, context));
    };
    context.room.fix(large.least);
    if context.room.is_exceeded() {
        return;
    }
    large.fields.iter().for_each(|attribute| put(root, attribute, context));
    for entry in &large.added {
        let name = resource.name(entry);
        let node = Node::Json(Cow::Borrowed(resource.value(entry)));
        if entry.indexed {
            root.object("annotations").put(annotation_key(name, context).into_owned(), node);
        } else {
            root.object("metadata").object("default").put(name, node);
        }
    }
    context.room.add(large.cut);
}

fn put<'m>(root: &mut Object<'m>, attribute: &Attribute<'m>, context: &Context) {
    let Attribute { key, raw, .. } = *attribute;
    match place(key) {
        Place::Nowhere => {}
        Place::Block("service", field) => root.object("service").put(field, Node::Attribute(raw)),
        Place::Block(block, field) => root.object("aws").object(block).put(field, Node::Attribute(raw)),
        Place::Field => put_field(root, key, raw),
        Place::Added => put_other(root, [PREFIX, key].concat(), raw, context),
    }
}

/// Where an attribute of the resource goes.
enum Place<'k> {
    /// Another says the same.
    Nowhere,
    /// Into a block, and its name there.
    Block(&'static str, &'k [u8]),
    /// It has a place of its own.
    Field,
    /// It was added on the way.
    Added,
}

fn place(key: &[u8]) -> Place<'_> {
    let text = str::from_utf8(key).unwrap_or_default();
    let block = |(prefix, block): &(&str, &'static str)| {
        Some(Place::Block(block, key.strip_prefix(prefix.as_bytes())?))
    };
    if IN_RESOURCE.contains(&text) {
        Place::Nowhere
    } else if FIELDS.contains(&text) {
        Place::Field
    } else {
        BLOCKS.iter().find_map(block).unwrap_or(Place::Added)
    }
}

/// What the names of attributes begin with that go into a block.
const BLOCKS: [(&str, &str); 5] = [
    (names::SERVICE_PREFIX, "service"),
    (names::EC2_PREFIX, "ec2"),
    (names::ECS_PREFIX, "ecs"),
    (names::EKS_PREFIX, "eks"),
    (names::BEANSTALK_PREFIX, "elastic_beanstalk"),
];

/// Attributes with a place of their own.
const FIELDS: [&str; 7] = [
    "cloud.provider",
    "telemetry.sdk.version",
    names::ORIGIN,
    names::RESOURCE_ARN,
    names::SDK,
    names::AUTO_INSTRUMENTATION,
    names::CLOUDWATCH_LOGS,
];

/// What the receiver writes into every resource, in the words of OpenTelemetry; X-Ray's own words say the same.
const IN_RESOURCE: [&str; 18] = [
    "service.name",
    "cloud.account.id",
    "cloud.platform",
    "aws.log.group.arns",
    "aws.log.group.names",
    "cloud.availability_zone",
    "host.id",
    "host.type",
    "host.image.id",
    "container.name",
    "container.id",
    "service.namespace",
    "service.instance.id",
    "service.version",
    "k8s.cluster.name",
    "k8s.pod.name",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
];

fn put_field<'m>(root: &mut Object<'m>, key: &[u8], raw: &'m [u8]) {
    match str::from_utf8(key).unwrap_or_default() {
        "cloud.provider" => {
            if matches!(AnyValue::new(raw).as_text(), Some(provider) if provider == "aws") {
                root.object("aws");
            }
        }
        "telemetry.sdk.version" => root.object("aws").object("xray").attribute("sdk_version", raw),
        names::ORIGIN => root.attribute("origin", raw),
        names::RESOURCE_ARN => root.attribute("resource_arn", raw),
        names::SDK => root.object("aws").object("xray").attribute("sdk", raw),
        names::AUTO_INSTRUMENTATION => {
            root.object("aws").object("xray").attribute("auto_instrumentation", raw);
        }
        names::CLOUDWATCH_LOGS => root.object("aws").json_text("cloudwatch_logs", raw),
        _ => {}
    }
}
