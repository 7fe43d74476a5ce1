//! What all documents of a resource have in common, made once.

use std::ops::Range;

use otlp::view::{AnyValue, Attributes};

use super::bound::{Cut, MEMBER, bound};
use super::preserved::OfResource;
use super::span::Attribute;
use super::stack::Language;
use super::{Context, aws, name, value};
use crate::json;

/// In front of a resource attribute's name, in metadata and annotations.
pub(super) const PREFIX: &[u8] = b"otel.resource.";

/// A resource, and what is written of it.
#[derive(Debug, Default)]
pub(super) struct ResourceRead<'a> {
    attributes: Vec<Attribute<'a>>,
    /// `service.name`.
    service_name: &'a [u8],
    /// What is left of it as a segment's name, if it is too long for one.
    long_name: Vec<u8>,
    /// `cloud.account.id`; one that no document has room for is cut where there is certainly none any more.
    pub account_id: &'a [u8],
    /// The `aws` block is left out, since the resource is in another cloud.
    pub elsewhere: bool,
    /// Type of the AWS resource; empty if unknown.
    pub origin: &'static str,
    /// What the stack traces look like.
    pub language: Option<Language>,
    /// The attributes as metadata and annotations, sorted by name.
    pub entries: Vec<Entry>,
    /// What was cut of them, since no document has room for it.
    pub cut: Cut,
    /// No document has room for what each has of the resource.
    pub is_too_large: bool,
    /// Of a large resource, what a preserved document has of it.
    pub preserved: Option<OfResource<'a>>,
    text: Vec<u8>,
    service: Range<usize>,
    aws: Range<usize>,
    metadata: Range<usize>,
}

/// A resource attribute as it is written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Which attribute it is.
    pub at: usize,
    pub name: Range<usize>,
    pub value: Range<usize>,
    /// An annotation can hold it.
    pub simple: bool,
    /// The configuration makes it an annotation.
    pub indexed: bool,
}

impl<'a> ResourceRead<'a> {
    /// Reads another resource.
    pub(super) fn read(&mut self, attributes: Attributes<'a>, context: &Context) {
        self.attributes.clear();
        self.attributes.extend(attributes.map(|attribute| Attribute::read(attribute.as_bytes())));
        let max = context.options.max_document_bytes;
        self.service_name = self.text("service.name");
        self.long_name.clear();
        if self.service_name.len() > name::MAX_LEN {
            name::clean(&mut self.long_name, self.service_name);
        }
        let account_id = self.text("cloud.account.id");
        self.account_id = account_id.get(..=max).unwrap_or(account_id);
        let provider = self.text("cloud.provider");
        self.elsewhere = !provider.is_empty() && provider != b"aws";
        self.origin = self.find_origin();
        self.language = Language::of(self.text("telemetry.sdk.language"));
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.service = within(&mut text, |text| self.write_service(text));
        self.aws = within(&mut text, |text| aws::write_resource(text, self, context));
        self.entries.clear();
        for (at, attribute) in self.attributes.iter().enumerate() {
            let attribute_value = attribute.value();
            if !value::is_some(&attribute_value) {
                continue;
            }
            let name = within(&mut text, |text| {
                text.extend_from_slice(PREFIX);
                text.extend_from_slice(attribute.key);
            });
            let is_indexed = || context.indexed.has(text.get(name.clone()).unwrap_or_default());
            let simple = value::is_simple(&attribute_value);
            let indexed = simple && (context.options.index_all_attributes || is_indexed());
            let value = within(&mut text, |text| value::write(text, attribute_value));
            self.entries.push(Entry { at, name, value, simple, indexed });
        }
        self.entries.sort_by(|one, other| text.get(one.name.clone()).cmp(&text.get(other.name.clone())));
        self.is_too_large = self.service.len() + if self.elsewhere { 0 } else { self.aws.len() } > max;
        self.cut = Cut::default();
        self.preserved = None;
        if text.len().max(self.attributes.len() * MEMBER) > max {
            if context.options.preserve_xray_fields {
                self.preserved = Some(OfResource::new(&self.attributes, &self.entries, &mut text, max));
            }
            self.cut = bound(&mut self.entries, &mut text, max);
        }
        self.metadata = self.write_metadata(&mut text);
        self.text = text;
    }

    /// `service.name`, or what of it can be a segment's name; empty if it is not there.
    pub(super) fn service_name(&self) -> &[u8] {
        if self.service_name.len() > name::MAX_LEN { &self.long_name } else { self.service_name }
    }

    /// As they came.
    pub(super) fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }

    /// The first attribute with this name.
    pub(super) fn get(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.key == name.as_bytes())
    }

    /// The text of an attribute, empty if there is none or it is no text.
    pub(super) fn text(&self, name: &str) -> &'a [u8] {
        self.get(name).map_or(&[], Attribute::text)
    }

    /// The member `service`, comma behind it; empty if there is none.
    pub(super) fn service(&self) -> &[u8] {
        self.text.get(self.service.clone()).unwrap_or_default()
    }

    /// The first members of the block `aws`, a comma behind each but the last.
    pub(super) fn aws(&self) -> &[u8] {
        self.text.get(self.aws.clone()).unwrap_or_default()
    }

    /// The members of the metadata that the configuration makes of it, a comma between them.
    pub(super) fn metadata(&self) -> &[u8] {
        self.text.get(self.metadata.clone()).unwrap_or_default()
    }

    /// An attribute's name, as `otel.resource.<key>`.
    pub(super) fn name(&self, entry: &Entry) -> &[u8] {
        self.text.get(entry.name.clone()).unwrap_or_default()
    }

    /// An attribute's value, as JSON.
    pub(super) fn value(&self, entry: &Entry) -> &[u8] {
        self.text.get(entry.value.clone()).unwrap_or_default()
    }

    /// Where the reference finds the version, whether or not there is something in it.
    fn write_service(&self, out: &mut Vec<u8>) {
        let first = |tags: &Attribute<'a>| match tags.value() {
            AnyValue::Array(mut tags) => tags.next().map(|tag| tag.as_text().unwrap_or_default().as_bytes()),
            _ => None,
        };
        let version = (self.get("service.version").map(Attribute::text))
            .or_else(|| self.get("container.image.tags").and_then(first))
            .or_else(|| self.get("container.image.tag").map(Attribute::text));
        let Some(version) = version else { return };
        out.extend_from_slice(b"\"service\":{");
        if !version.is_empty() {
            out.extend_from_slice(b"\"version\":");
            json::string(out, version);
        }
        out.extend_from_slice(b"},");
    }

    fn write_metadata(&self, text: &mut Vec<u8>) -> Range<usize> {
        let mut rendered = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            // Of equal names the last counts.
            let name = text.get(entry.name.clone()).unwrap_or_default();
            let again =
                self.entries.get(at + 1).is_some_and(|next| text.get(next.name.clone()) == Some(name));
            if entry.indexed || again {
                continue;
            }
            if !rendered.is_empty() {
                rendered.push(b',');
            }
            json::string(&mut rendered, name);
            rendered.push(b':');
            rendered.extend_from_slice(text.get(entry.value.clone()).unwrap_or_default());
        }
        within(text, |text| text.append(&mut rendered))
    }

    fn find_origin(&self) -> &'static str {
        if self.elsewhere {
            return "";
        }
        match self.text("cloud.platform") {
            b"aws_app_runner" => "AWS::AppRunner::Service",
            b"aws_eks" => "AWS::EKS::Container",
            b"aws_elastic_beanstalk" => "AWS::ElasticBeanstalk::Environment",
            b"aws_ecs" => match self.text("aws.ecs.launchtype") {
                b"ec2" => "AWS::ECS::EC2",
                b"fargate" => "AWS::ECS::Fargate",
                _ => "AWS::ECS::Container",
            },
            b"aws_ec2" => "AWS::EC2::Instance",
            _ => "",
        }
    }
}

/// What `write` appends, as a range.
fn within(text: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    let start = text.len();
    write(text);
    start..text.len()
}
