//! The block `aws`: where the segment was made, and what AWS API it called.

use otlp::view::AnyValue;

use super::Context;
use super::document::Shape;
use super::known::{Key, KeySet};
use super::resource::ResourceRead;
use super::span::{Attribute, SpanRead};
use crate::json;

/// The span attributes that go into the block and nowhere else.
pub(super) const KEYS: KeySet = KeySet::of(&[
    Key::AwsOperation,
    Key::RpcMethod,
    Key::AwsAccountId,
    Key::AwsRegion,
    Key::AwsRequestId,
    Key::AwsRequestIdCamel,
    Key::AwsQueueUrl,
    Key::AwsQueueUrlDotted,
    Key::AwsTableName,
    Key::AwsTableNameDotted,
]);

/// Any of these makes a difference to the block.
const ASKED: KeySet = KEYS.with(KeySet::of(&[Key::MessagingUrl, Key::DynamodbTableNames]));

/// Appends the member `aws`, with a comma before it; nothing if the resource is in another cloud.
pub(super) fn write(out: &mut Vec<u8>, span: &SpanRead<'_>, resource: &ResourceRead<'_>, shape: &Shape) {
    if resource.elsewhere {
        return;
    }
    out.extend_from_slice(b",\"aws\":{");
    out.extend_from_slice(resource.aws());
    if shape.call {
        if span.present.meets(ASKED) {
            write_call(out, span, resource);
        } else {
            member(out, "account_id", resource.account_id);
        }
    }
    out.push(b'}');
}

fn write_call(out: &mut Vec<u8>, span: &SpanRead<'_>, resource: &ResourceRead<'_>) {
    let either = |one, other| span.get(one).or_else(|| span.get(other)).map_or(&[][..], Attribute::text);
    let account = span.get(Key::AwsAccountId).filter(|account| !account.raw.is_empty());
    member(out, "account_id", account.map_or(resource.account_id, Attribute::text));
    member(out, "operation", either(Key::AwsOperation, Key::RpcMethod));
    member(out, "region", span.text(Key::AwsRegion));
    member(out, "request_id", either(Key::AwsRequestId, Key::AwsRequestIdCamel));
    let queue_url = span.get(Key::MessagingUrl).map(Attribute::text);
    member(out, "queue_url", queue_url.unwrap_or_else(|| either(Key::AwsQueueUrl, Key::AwsQueueUrlDotted)));
    let table_name = || either(Key::AwsTableName, Key::AwsTableNameDotted);
    match span.get(Key::DynamodbTableNames).map(Attribute::value) {
        Some(AnyValue::String(name)) => member(out, "table_name", name.as_bytes()),
        Some(AnyValue::Array(names)) => {
            let names: Vec<_> = names.map(|name| name.as_text().unwrap_or_default().as_bytes()).collect();
            match names.as_slice() {
                [] => member(out, "table_name", table_name()),
                [name] => member(out, "table_name", name),
                names => {
                    out.extend_from_slice(b",\"table_names\":[");
                    for (index, name) in names.iter().enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        json::string(out, name);
                    }
                    out.push(b']');
                }
            }
        }
        _ => member(out, "table_name", table_name()),
    }
}

/// Appends `,"<name>":"<text>"` unless the text is empty.
fn member(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    if text.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::string(out, text);
}

/// Appends what the block says of the resource: the last member is `xray`, which is always there.
pub(super) fn write_resource(out: &mut Vec<u8>, resource: &ResourceRead<'_>, context: &Context) {
    write_beanstalk(out, resource);
    write_log_groups(out, resource, &context.options.log_groups);
    let platform = resource.text("cloud.platform");
    let zone = resource.text("cloud.availability_zone");
    if platform == b"aws_ecs" {
        write_ecs(out, resource, zone);
    }
    let host = resource.text("host.id");
    if platform == b"aws_ec2" || !host.is_empty() {
        out.extend_from_slice(b"\"ec2\":{\"instance_id\":");
        or_null(out, host);
        out.extend_from_slice(b",\"availability_zone\":");
        or_null(out, zone);
        out.extend_from_slice(b",\"instance_size\":");
        or_null(out, resource.text("host.type"));
        out.extend_from_slice(b",\"ami_id\":");
        or_null(out, resource.text("host.image.id"));
        out.extend_from_slice(b"},");
    }
    let cluster = resource.text("k8s.cluster.name");
    if platform == b"aws_eks" || !cluster.is_empty() {
        out.extend_from_slice(b"\"eks\":{\"cluster_name\":");
        or_null(out, cluster);
        out.extend_from_slice(b",\"pod\":");
        or_null(out, resource.text("k8s.pod.name"));
        out.extend_from_slice(b",\"container_id\":");
        or_null(out, resource.text("container.id"));
        out.extend_from_slice(b"},");
    }
    write_sdk(out, resource);
}

fn write_beanstalk(out: &mut Vec<u8>, resource: &ResourceRead<'_>) {
    let deployment = resource.text("service.instance.id");
    if resource.text("cloud.platform") != b"aws_elastic_beanstalk" || deployment.is_empty() {
        return;
    }
    out.extend_from_slice(b"\"elastic_beanstalk\":{\"environment_name\":");
    or_null(out, resource.text("service.namespace"));
    out.extend_from_slice(b",\"version_label\":");
    or_null(out, resource.text("service.version"));
    out.extend_from_slice(b",\"deployment_id\":");
    let number = str::from_utf8(deployment).ok().and_then(|text| text.parse().ok());
    json::int(out, number.unwrap_or(0));
    out.extend_from_slice(b"},");
}

fn write_ecs(out: &mut Vec<u8>, resource: &ResourceRead<'_>, zone: &[u8]) {
    out.extend_from_slice(b"\"ecs\":{");
    let start = out.len();
    for (name, text) in [
        ("container", resource.text("container.name")),
        ("container_id", resource.text("container.id")),
        ("task_arn", resource.text("aws.ecs.task.arn")),
        ("task_family", resource.text("aws.ecs.task.family")),
        ("cluster_arn", resource.text("aws.ecs.cluster.arn")),
        ("container_arn", resource.text("aws.ecs.container.arn")),
        ("availability_zone", zone),
        ("launch_type", resource.text("aws.ecs.launchtype")),
    ] {
        member(out, name, text);
    }
    if out.len() > start {
        out.remove(start);
    }
    out.extend_from_slice(b"},");
}

fn write_sdk(out: &mut Vec<u8>, resource: &ResourceRead<'_>) {
    out.extend_from_slice(b"\"xray\":{");
    let name = resource.text("telemetry.sdk.name");
    let language = resource.text("telemetry.sdk.language");
    if !name.is_empty() {
        out.extend_from_slice(b"\"sdk\":\"");
        json::string_body(out, name);
        if !language.is_empty() {
            out.extend_from_slice(b" for ");
            json::string_body(out, language);
        }
        out.extend_from_slice(b"\",");
    }
    let version = resource.text("telemetry.sdk.version");
    if !version.is_empty() {
        out.extend_from_slice(b"\"sdk_version\":");
        json::string(out, version);
        out.push(b',');
    }
    let set = |name| !resource.text(name).is_empty();
    let automatic = set("telemetry.auto.version") || set("telemetry.distro.version");
    out.extend_from_slice(b"\"auto_instrumentation\":");
    out.extend_from_slice(if automatic { b"true}" } else { b"false}" });
}

/// The first source that names any counts: ARNs, names, the configuration.
fn write_log_groups(out: &mut Vec<u8>, resource: &ResourceRead<'_>, configured: &[String]) {
    let arns = listed(resource.get("aws.log.group.arns"));
    let names = listed(resource.get("aws.log.group.names"));
    let configured: Vec<_> = configured.iter().map(String::as_bytes).collect();
    let (groups, are_arns) = match (arns.is_empty(), names.is_empty()) {
        (false, _) => (arns, true),
        (true, false) => (names, false),
        (true, true) => (configured, false),
    };
    if groups.is_empty() {
        return;
    }
    out.extend_from_slice(b"\"cloudwatch_logs\":[");
    for (index, group) in groups.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"log_group\":" } else { b"{\"log_group\":" });
        if are_arns {
            or_null(out, group.split(|byte| *byte == b':').nth(6).unwrap_or(group));
            member(out, "arn", group);
        } else {
            or_null(out, group);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],");
}

/// The texts of an array, or those of a text between its ampersands.
fn listed<'a>(attribute: Option<&Attribute<'a>>) -> Vec<&'a [u8]> {
    match attribute.map(Attribute::value) {
        Some(AnyValue::Array(values)) => {
            values.map(|value| value.as_text().unwrap_or_default().as_bytes()).collect()
        }
        Some(AnyValue::String(text)) => {
            text.as_bytes().split(|byte| *byte == b'&').filter(|part| !part.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}

/// Appends a text, or `null` for none.
fn or_null(out: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        json::string(out, text);
    }
}
