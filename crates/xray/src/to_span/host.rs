//! The blocks that tell of host, container, service and SDK: those of the outermost segment become the resource.

use super::document::{Beanstalk, Ec2, Ecs, Eks, Extra, Kept, LogGroup, Value};
use super::scan::{Fault, Text};
use super::values::Parser;
use crate::names;

pub(super) fn service(parser: &mut Parser<'_, '_>, outermost: bool) -> Result<(), Fault> {
    let mut version = Text::NONE;
    let block = Block { path: &["service"], prefix: names::SERVICE_PREFIX, outermost };
    parser.object("service", &mut |parser, key, name| {
        block.keep(parser, name)?;
        match key {
            b"version" => version = parser.text("service.version")?,
            b"compiler" | b"compiler_version" => {
                parser.text("service.compiler")?;
            }
            _ => parser.pass()?,
        }
        Ok(())
    })?;
    if outermost {
        parser.document.root.service_version = version;
    }
    Ok(())
}

/// A parser at the same place, which does not move this one.
pub(super) fn reborrow<'b, 'a>(parser: &'b mut Parser<'a, '_>) -> Parser<'a, 'b> {
    Parser {
        scan: parser.scan.clone(),
        document: &mut *parser.document,
        wrong: None,
        current: parser.current,
        preserve: parser.preserve,
    }
}

/// A block about the host, the service or the SDK, whose scalars are kept as resource attributes.
#[derive(Clone, Copy)]
struct Block {
    path: &'static [&'static str],
    prefix: &'static str,
    outermost: bool,
}

impl Block {
    /// Keeps the member whose value is next, without passing over it.
    fn keep(self, parser: &mut Parser<'_, '_>, key: Text) -> Result<(), Fault> {
        if !parser.preserve {
            return Ok(());
        }
        let place = parser.ahead()?;
        let value = reborrow(parser).value()?;
        if self.outermost && !matches!(value, Value::Other(_)) {
            parser.document.root.kept.push(Kept { prefix: self.prefix, key, value });
        } else {
            let segment = parser.current;
            parser.document.extras.push(Extra { segment, path: self.path, key, value: place });
        }
        Ok(())
    }
}

pub(super) fn ec2(parser: &mut Parser<'_, '_>, outermost: bool) -> Result<(), Fault> {
    let mut ec2 = Ec2::default();
    let block = Block { path: &["aws", "ec2"], prefix: names::EC2_PREFIX, outermost };
    let present = parser.object("aws.ec2", &mut |parser, key, name| {
        block.keep(parser, name)?;
        match key {
            b"availability_zone" => ec2.availability_zone = parser.text("aws.ec2.availability_zone")?,
            b"instance_id" => ec2.instance_id = parser.text("aws.ec2.instance_id")?,
            b"instance_size" => ec2.instance_size = parser.text("aws.ec2.instance_size")?,
            b"ami_id" => ec2.ami_id = parser.text("aws.ec2.ami_id")?,
            _ => parser.pass()?,
        }
        Ok(())
    })?;
    if outermost {
        parser.document.root.host.ec2 = present.then_some(ec2);
    }
    Ok(())
}

pub(super) fn ecs(parser: &mut Parser<'_, '_>, outermost: bool) -> Result<(), Fault> {
    let mut ecs = Ecs::default();
    let block = Block { path: &["aws", "ecs"], prefix: names::ECS_PREFIX, outermost };
    let present = parser.object("aws.ecs", &mut |parser, key, name| {
        block.keep(parser, name)?;
        match key {
            b"container" => ecs.container = parser.text("aws.ecs.container")?,
            b"container_id" => ecs.container_id = parser.text("aws.ecs.container_id")?,
            b"availability_zone" => ecs.availability_zone = parser.text("aws.ecs.availability_zone")?,
            b"task_arn" | b"task_family" | b"cluster_arn" | b"container_arn" | b"launch_type" => {
                parser.text("aws.ecs")?;
            }
            _ => parser.pass()?,
        }
        Ok(())
    })?;
    if outermost {
        parser.document.root.host.ecs = present.then_some(ecs);
    }
    Ok(())
}

pub(super) fn eks(parser: &mut Parser<'_, '_>, outermost: bool) -> Result<(), Fault> {
    let mut eks = Eks::default();
    let block = Block { path: &["aws", "eks"], prefix: names::EKS_PREFIX, outermost };
    let present = parser.object("aws.eks", &mut |parser, key, name| {
        block.keep(parser, name)?;
        match key {
            b"container_id" => eks.container_id = parser.text("aws.eks.container_id")?,
            b"cluster_name" => eks.cluster_name = parser.text("aws.eks.cluster_name")?,
            b"pod" => eks.pod = parser.text("aws.eks.pod")?,
            _ => parser.pass()?,
        }
        Ok(())
    })?;
    if outermost {
        parser.document.root.host.eks = present.then_some(eks);
    }
    Ok(())
}

pub(super) fn beanstalk(parser: &mut Parser<'_, '_>, outermost: bool) -> Result<(), Fault> {
    let mut beanstalk = Beanstalk::default();
    let path: &[&str] = &["aws", "elastic_beanstalk"];
    let block = Block { path, prefix: names::BEANSTALK_PREFIX, outermost };
    let present = parser.object("aws.elastic_beanstalk", &mut |parser, key, name| {
        block.keep(parser, name)?;
        match key {
            b"environment_name" => {
                beanstalk.environment_name = parser.text("aws.elastic_beanstalk.environment_name")?;
            }
            b"version_label" => {
                beanstalk.version_label = parser.text("aws.elastic_beanstalk.version_label")?
            }
            b"deployment_id" => {
                beanstalk.deployment_id = parser.int("aws.elastic_beanstalk.deployment_id")?
            }
            _ => parser.pass()?,
        }
        Ok(())
    })?;
    if outermost {
        parser.document.root.host.beanstalk = present.then_some(beanstalk);
    }
    Ok(())
}

/// The block `aws.xray`.
pub(super) fn sdk(parser: &mut Parser<'_, '_>, outermost: bool, block: Text) -> Result<(), Fault> {
    if !outermost && parser.preserve {
        let value = parser.ahead()?;
        let segment = parser.current;
        parser.document.extras.push(Extra { segment, path: &["aws"], key: block, value });
    }
    let (mut sdk, mut version, mut auto_instrumentation) = (Text::NONE, Text::NONE, None);
    parser.object("aws.xray", &mut |parser, key, name| {
        match key {
            b"sdk" => sdk = parser.text("aws.xray.sdk")?,
            b"sdk_version" => version = parser.text("aws.xray.sdk_version")?,
            b"auto_instrumentation" => {
                auto_instrumentation = parser.flag("aws.xray.auto_instrumentation")?;
            }
            _ if outermost => parser.extra(&["aws", "xray"], name)?,
            _ => parser.pass()?,
        }
        Ok(())
    })?;
    if outermost {
        let host = &mut parser.document.root.host;
        (host.sdk, host.sdk_version, host.auto_instrumentation) = (sdk, version, auto_instrumentation);
    }
    Ok(())
}

/// The list `aws.cloudwatch_logs`.
pub(super) fn logs(parser: &mut Parser<'_, '_>, outermost: bool, name: Text) -> Result<(), Fault> {
    let start = parser.start()?;
    if outermost {
        parser.document.root.logs.clear();
    }
    parser.array("aws.cloudwatch_logs", &mut |parser| {
        let mut group = LogGroup { name: Text::NONE, arn: Text::NONE };
        parser.object("aws.cloudwatch_logs", &mut |parser, key, _| {
            match key {
                b"log_group" => group.name = parser.text("cloudwatch_logs.log_group")?,
                b"arn" => group.arn = parser.text("cloudwatch_logs.arn")?,
                _ => parser.pass()?,
            }
            Ok(())
        })?;
        if outermost {
            parser.document.root.logs.push(group);
        }
        Ok(())
    })?;
    let place = parser.scan.since(start);
    if outermost {
        parser.document.root.logs_place = place;
    } else {
        parser.keep(&["aws"], name, place);
    }
    Ok(())
}
