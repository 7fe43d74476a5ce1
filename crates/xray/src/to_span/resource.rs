//! The resource: what the outermost segment tells of where it ran.

use super::Writer;
use super::document::{Cause, Host, Kept, Segment, Value};
use super::scan::Text;
use crate::names;

/// `Resource.attributes`.
const ATTRIBUTES: u32 = 1;

impl Writer<'_> {
    pub(super) fn resource(&mut self, out: &mut Vec<u8>, segment: &Segment) {
        let root = &self.document.root;
        self.attributes.open(ATTRIBUTES, self.options.preserve);
        self.text(out, "service.name", segment.name);
        if root.has_aws {
            self.attributes.bytes(out, b"cloud.provider", b"aws");
            self.text(out, "cloud.account.id", segment.aws.account_id);
            self.logs(out);
            self.host(out, &root.host);
            self.sdk(out, &root.host, segment);
        } else {
            self.attributes.bytes(out, b"cloud.provider", b"unknown");
        }
        let beanstalk = root.host.beanstalk.unwrap_or_default();
        self.text(out, "service.version", root.service_version.or(beanstalk.version_label));
        self.text(out, names::RESOURCE_ARN, root.resource_arn);
        if self.options.preserve {
            self.preserve_resource(out);
        }
    }

    /// Both lists are written by themselves: an entry with one of the two fields is in one of the lists.
    fn logs(&mut self, out: &mut Vec<u8>) {
        let logs = &self.document.root.logs;
        for (name, field) in [
            ("aws.log.group.arns", (|group| group.arn) as fn(&super::document::LogGroup) -> Text),
            ("aws.log.group.names", |group| group.name),
        ] {
            if logs.iter().any(|group| field(group).is_some()) {
                let values = logs.iter().map(field).filter(|text| text.is_some());
                self.attributes.array(out, name, values, self.json);
            }
        }
    }

    /// Where several blocks tell the same, the more particular one counts.
    fn host(&mut self, out: &mut Vec<u8>, host: &Host) {
        let ec2 = host.ec2.unwrap_or_default();
        let ecs = host.ecs.unwrap_or_default();
        let eks = host.eks.unwrap_or_default();
        let beanstalk = host.beanstalk.unwrap_or_default();
        self.text(out, "cloud.availability_zone", ecs.availability_zone.or(ec2.availability_zone));
        self.text(out, "host.id", ec2.instance_id);
        self.text(out, "host.type", ec2.instance_size);
        self.text(out, "host.image.id", ec2.ami_id);
        self.text(out, "container.name", ecs.container);
        self.text(out, "container.id", eks.container_id.or(ecs.container_id));
        self.text(out, "service.namespace", beanstalk.environment_name);
        if let Some(id) = beanstalk.deployment_id {
            self.attributes.bytes(out, b"service.instance.id", itoa::Buffer::new().format(id).as_bytes());
        }
        self.text(out, "k8s.cluster.name", eks.cluster_name);
        self.text(out, "k8s.pod.name", eks.pod);
    }

    fn sdk(&mut self, out: &mut Vec<u8>, host: &Host, segment: &Segment) {
        self.text(out, "telemetry.sdk.version", host.sdk_version);
        self.text(out, "telemetry.sdk.name", host.sdk);
        if host.sdk.is_none() {
            return;
        }
        let has_exceptions =
            matches!(segment.cause, Cause::Exceptions { exceptions, .. } if !exceptions.is_empty());
        if has_exceptions {
            // The stacks are written in Java's form, by which exporters read them.
            return self.attributes.bytes(out, b"telemetry.sdk.language", b"java");
        }
        let sdk = host.sdk.get(self.json);
        if let Some(at) = memchr::memmem::find(&sdk, b"for ") {
            let language = sdk.get(at + 4..).unwrap_or_default();
            self.attributes.bytes(out, b"telemetry.sdk.language", language);
        }
    }

    fn preserve_resource(&mut self, out: &mut Vec<u8>) {
        let root = &self.document.root;
        let host = &root.host;
        let platforms = [
            (host.beanstalk.is_some(), "aws_elastic_beanstalk"),
            (host.ecs.is_some(), "aws_ecs"),
            (host.eks.is_some(), "aws_eks"),
            (host.ec2.is_some(), "aws_ec2"),
        ];
        if let Some((_, platform)) = platforms.into_iter().find(|(there, _)| *there) {
            self.attributes.bytes(out, b"cloud.platform", platform.as_bytes());
        }
        self.text(out, names::ORIGIN, root.origin);
        self.text(out, names::SDK, host.sdk);
        self.attributes.flag(out, names::AUTO_INSTRUMENTATION, host.auto_instrumentation);
        self.json_text(out, names::CLOUDWATCH_LOGS, root.logs_place);
        for Kept { prefix, key, value } in &root.kept {
            let name = [prefix.as_bytes(), &key.get(self.json)].concat();
            self.scalar(out, &name, *value);
        }
    }

    /// A string, a bool, or a number in the form that loses nothing.
    pub(super) fn scalar(&mut self, out: &mut Vec<u8>, name: &[u8], value: Value) {
        match value {
            Value::Text(text) => self.attributes.bytes(out, name, &text.get(self.json)),
            Value::Bool(value) => self.attributes.bool(out, name, value),
            Value::Number(value, place) => {
                let digits = std::str::from_utf8(place.get(self.json)).unwrap_or_default();
                match digits.parse() {
                    Ok(whole) => self.attributes.whole(out, name, whole),
                    Err(_) => self.attributes.double(out, name, value),
                }
            }
            Value::Other(_) => {}
        }
    }

    #[inline]
    pub(super) fn text(&mut self, out: &mut Vec<u8>, name: &str, value: Text) {
        self.attributes.text(out, name, value, self.json);
    }
}
