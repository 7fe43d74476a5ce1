//! The feature gates of the Collector: accepted, so that a command line that works there works here.

use anyhow::{Result, bail};
use component::Feature;
use config::Lists;

/// A gate of the Collector.
pub(crate) struct Gate {
    pub(crate) id: &'static str,
    /// `Alpha` gates are off, `Beta` and `Stable` ones on, unless told otherwise.
    pub(crate) stage: &'static str,
    /// What it changes there.
    pub(crate) description: &'static str,
    pub(crate) here: Here,
}

/// What a gate means here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    /// The same as there.
    Honoured,
    /// What it turns on is always on.
    AlwaysOn,
    /// Nothing.
    NoEffect,
    /// It can't be turned on.
    Refused,
}

impl Here {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Honoured => "honoured",
            Self::AlwaysOn => "always on",
            Self::NoEffect => "no effect",
            Self::Refused => "not supported",
        }
    }
}

impl Gate {
    /// Whether it is on when nobody says anything.
    pub(crate) fn is_on(&self) -> bool {
        self.here == Here::AlwaysOn || (self.stage != "Alpha" && self.here == Here::Honoured)
    }
}

const APPEND: &str = "confmap.enableMergeAppendOption";

pub(crate) const GATES: &[Gate] = &[
    gate(APPEND, "Alpha", Here::Honoured, "Joins lists of ids from several configurations"),
    gate(
        "exporter.awsxray.skiptimestampvalidation",
        "Beta",
        Here::Honoured,
        "Takes trace ids whose time is not recent",
    ),
    gate("exporter.file.nativeCompression", "Alpha", Here::NoEffect, "Compresses files as a whole"),
    gate("exporter.xray.allowDot", "Beta", Here::Honoured, "Leaves dots in the keys of annotations"),
    gate("otelcol.printInitialConfig", "Stable", Here::AlwaysOn, "The command print-config"),
    gate("pdata.useProtoPooling", "Alpha", Here::NoEffect, "Pools memory of messages"),
    gate(
        "pkg.exporterhelper.queueBatchEnabled",
        "Alpha",
        Here::NoEffect,
        "Joins batches in queues by default",
    ),
    gate("receiverhelper.newReceiverMetrics", "Alpha", Here::NoEffect, "Tells refusals and failures apart"),
    gate("service.AllowNoPipelines", "Alpha", Here::Refused, "Allows a service without pipelines"),
    gate("service.partialReload", "Alpha", Here::AlwaysOn, "A reload leaves what did not change"),
    gate("service.partialReloadReceivers", "Beta", Here::AlwaysOn, "The same for receivers"),
    gate("service.profilesSupport", "Alpha", Here::NoEffect, "Allows pipelines of profiles"),
    gate("telemetry.newPipelineTelemetry", "Alpha", Here::NoEffect, "More attributes of own metrics"),
];

const fn gate(id: &'static str, stage: &'static str, here: Here, description: &'static str) -> Gate {
    Gate { id, stage, description, here }
}

/// What the gates on the command line ask for: `a`, `+b`, `-c`. What has no effect is said on standard error.
///
/// # Errors
/// A gate that does not exist, or can't be what it should be.
pub(crate) fn lists(asked: &[String]) -> Result<Lists> {
    let mut lists = Lists::Replace;
    for text in asked {
        let (on, id) = match text.strip_prefix('-') {
            Some(id) => (false, id),
            None => (true, text.strip_prefix('+').unwrap_or(text)),
        };
        let Some(gate) = find(id) else {
            let valid: Vec<&str> = GATES.iter().map(|gate| gate.id).collect();
            bail!("--feature-gates: no such feature gate {id:?}; valid gates: {}", valid.join(", "));
        };
        match (gate.here, on) {
            (Here::Honoured, true) if id == APPEND => lists = Lists::Append,
            (Here::Honoured, false) if id == APPEND => lists = Lists::Replace,
            (Here::AlwaysOn, false) => bail!("--feature-gates: {id} can't be turned off here"),
            (Here::Refused, true) => bail!("--feature-gates: {id} is not supported here"),
            (Here::NoEffect, true) => eprintln!("warning: the feature gate {id} has no effect here"),
            // Components ask for theirs.
            (Here::Honoured, _) | (Here::AlwaysOn, true) | (Here::Refused | Here::NoEffect, false) => {}
        }
    }
    Ok(lists)
}

/// Every gate as it stands with what the command line asks for, for people.
pub(crate) fn features(asked: &[String]) -> Vec<Feature> {
    let is_asked = |gate: &Gate| asked.iter().rfind(|text| text.trim_start_matches(['+', '-']) == gate.id);
    let feature = |gate: &Gate| Feature {
        id: gate.id,
        stage: gate.stage,
        description: gate.description,
        here: gate.here.text(),
        enabled: match gate.here {
            Here::AlwaysOn => true,
            Here::Honoured => is_asked(gate).map_or(gate.is_on(), |text| !text.starts_with('-')),
            Here::NoEffect | Here::Refused => false,
        },
    };
    GATES.iter().map(feature).collect()
}

pub(crate) fn find(id: &str) -> Option<&'static Gate> {
    GATES.iter().find(|gate| gate.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_shown_as_they_stand() {
        let enabled = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
            features(&asked).into_iter().find(|feature| feature.id == APPEND).unwrap().enabled
        };
        assert!(!enabled(&[]) && enabled(&[APPEND]));
        assert!(!enabled(&[APPEND, "-confmap.enableMergeAppendOption"]), "the last counts");
        let on = |feature: &Feature| feature.here == "always on" || feature.id.contains("xray");
        assert!(features(&[]).iter().all(|feature| feature.enabled == on(feature)));
        let off = features(&["-exporter.xray.allowDot".to_owned()]);
        assert!(off.iter().any(|feature| feature.id == "exporter.xray.allowDot" && !feature.enabled));
    }

    #[test]
    fn gates_do_what_they_say() {
        let check = |asked: &[&str], expected: Result<Lists, &str>| {
            let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
            let found = lists(&asked).map_err(|error| error.to_string());
            match (found, expected) {
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => assert_eq!(found, expected.map_err(ToString::to_string)),
            }
        };
        check(&[], Ok(Lists::Replace));
        check(&[APPEND], Ok(Lists::Append));
        check(&["+confmap.enableMergeAppendOption", "-confmap.enableMergeAppendOption"], Ok(Lists::Replace));
        check(&["-service.profilesSupport", "service.partialReload"], Ok(Lists::Replace));
        check(&["pdata.useProtoPooling"], Ok(Lists::Replace));
        check(&["service.profilesSupport"], Ok(Lists::Replace));
        check(&["service.AllowNoPipelines"], Err("service.AllowNoPipelines is not supported here"));
        check(&["-otelcol.printInitialConfig"], Err("can't be turned off"));
        check(&["foo"], Err("no such feature gate \"foo\"; valid gates: confmap.enableMergeAppendOption"));
    }
}
