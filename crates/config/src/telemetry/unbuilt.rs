//! What the Collector can do with its own telemetry and this process can't: read for its types only, so that what the
//! Collector refuses is refused. The keys are those of OpenTelemetry's declarative configuration, 0.3.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::{Value as Json, json};

use super::any::Any;
use super::metrics::IncludeExclude;
use crate::fields::Fields;
use crate::reader::Reader;
use crate::section::{Section, has_key};
use crate::setting::Setting;
use crate::tree::{Node, Value};

/// A section in which any other key may stand, too, with anything.
#[derive(Clone, Default)]
pub(super) struct Open<T>(PhantomData<T>);

impl<T: Section> Setting for Open<T> {
    const BLOCK: bool = true;

    fn type_name() -> String {
        T::type_name()
    }

    fn schema(&self) -> Json {
        let mut schema = T::default().schema();
        schema["additionalProperties"] = json!(true);
        schema
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let mut node = node.clone();
        if let Value::Map(entries) = &mut node.value {
            entries.retain(|(key, _)| has_key::<T>(&key.text));
        }
        T::default().read(&node, reader);
    }

    fn render(&self) -> Json {
        Json::Null
    }
}

/// Makes sections of which nothing but the types of the keys matters.
macro_rules! typed {
    ($($(#[$doc:meta])* $vis:vis $name:ident { $($key:literal: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        $vis struct $name;

        impl Section for $name {
            fn describe(fields: &mut Fields<Self>) {
                $(fields.forgotten::<$type>($key, "Not used here.");)*
            }
        }
    )*};
}

typed! {
    /// A reader that sends in intervals.
    pub Periodic {
        "interval": Option<i64>,
        "timeout": Option<i64>,
        "exporter": Open<PushExporter>,
        "producers": Vec<Any>,
        "cardinality_limits": BTreeMap<String, Any>,
    }
    /// Where own telemetry is sent to.
    pub(super) PushExporter {
        "otlp": Option<Otlp>,
        "console": BTreeMap<String, Any>,
        "zipkin": Option<Zipkin>,
    }
    /// OTLP.
    pub(super) Otlp {
        "protocol": Option<String>,
        "endpoint": Option<String>,
        "certificate": Option<String>,
        "client_certificate": Option<String>,
        "client_key": Option<String>,
        "compression": Option<String>,
        // A list of name and value; in older configurations a map.
        "headers": Any,
        "headers_list": Option<String>,
        "insecure": Option<bool>,
        "timeout": Option<i64>,
        "temporality_preference": Option<String>,
        "default_histogram_aggregation": Option<String>,
    }
    /// Zipkin.
    pub(super) Zipkin {
        "endpoint": Option<String>,
        "timeout": Option<i64>,
    }
    /// What passes on own spans or log records.
    pub(super) Processor {
        "batch": Option<Batch>,
        "simple": Option<Simple>,
    }
    /// One that joins.
    pub(super) Batch {
        "schedule_delay": Option<i64>,
        "export_timeout": Option<i64>,
        "max_queue_size": Option<i64>,
        "max_export_batch_size": Option<i64>,
        "exporter": Open<PushExporter>,
    }
    /// One that does not.
    pub(super) Simple {
        "exporter": Open<PushExporter>,
    }
    /// Which own traces are kept.
    pub(super) Sampler {
        "always_on": BTreeMap<String, Any>,
        "always_off": BTreeMap<String, Any>,
        "parent_based": BTreeMap<String, Any>,
        "jaeger_remote": BTreeMap<String, Any>,
        "trace_id_ratio_based": Option<Ratio>,
    }
    /// A part of all traces.
    pub(super) Ratio {
        "ratio": Option<f64>,
    }
    /// Bounds of own spans.
    pub(super) SpanLimits {
        "attribute_value_length_limit": Option<i64>,
        "attribute_count_limit": Option<i64>,
        "event_count_limit": Option<i64>,
        "link_count_limit": Option<i64>,
        "event_attribute_count_limit": Option<i64>,
        "link_attribute_count_limit": Option<i64>,
    }
    /// A change of single metrics.
    pub View {
        "selector": Option<Selector>,
        "stream": Option<Stream>,
    }
    /// Which metrics are changed.
    pub(super) Selector {
        "instrument_name": Option<String>,
        "instrument_type": Option<String>,
        "meter_name": Option<String>,
        "meter_schema_url": Option<String>,
        "meter_version": Option<String>,
        "unit": Option<String>,
    }
    /// What becomes of them.
    pub(super) Stream {
        "name": Option<String>,
        "description": Option<String>,
        "aggregation": BTreeMap<String, Any>,
        "aggregation_cardinality_limit": Option<i64>,
        "attribute_keys": Option<IncludeExclude>,
    }
}
