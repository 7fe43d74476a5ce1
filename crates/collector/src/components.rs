//! The components of this distribution: the one place that names both engine and components.

use component::{Spec, Specs};

/// Every component type, in the order in which they are listed to people.
pub(crate) const COMPONENTS: Specs = Specs(SPECS);

static SPECS: &[&Spec] = &[
    &receiver_awsxray::SPEC,
    &receiver_nop::SPEC,
    &receiver_otlp::SPEC,
    &processor_attributes::SPEC,
    &processor_batch::SPEC,
    &processor_resource::SPEC,
    &processor_memory_limiter::SPEC,
    &exporter_awsxray::SPEC,
    &exporter_debug::SPEC,
    &exporter_file::SPEC,
    &exporter_nop::SPEC,
    &exporter_otlp::SPEC,
    &exporter_otlphttp::SPEC,
    &connector_forward::SPEC,
    &extension_awsproxy::SPEC,
    &extension_health_check::SPEC,
    &extension_pprof::SPEC,
    &extension_sigv4auth::SPEC,
    &extension_zpages::SPEC,
];
