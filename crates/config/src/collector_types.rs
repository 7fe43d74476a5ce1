//! The component types of the Collector's distributions (core and contrib, 0.159 and a few former ones), so that a
//! configuration that works there is told apart from a misspelling.

use crate::document::Kind;

/// Whether some Collector knows the type. Former names count and lack underscores: `filelog`.
pub(crate) fn is_known(kind: Kind, component_type: &str) -> bool {
    let types = match kind {
        Kind::Receiver => RECEIVERS,
        Kind::Processor => PROCESSORS,
        Kind::Exporter => EXPORTERS,
        Kind::Connector => CONNECTORS,
        Kind::Extension => EXTENSIONS,
    };
    let plain = component_type.replace('_', "");
    types.split_ascii_whitespace().any(|known| known.replace('_', "") == plain)
}

const RECEIVERS: &str = "\
    active_directory_ds active_directory_inv aerospike apache apache_spark aws_cloudwatch aws_lambda \
    awscontainerinsightreceiver awsecscontainermetrics awsfirehose awss3 awsxray azure_blob azure_event_hub \
    azure_monitor bigip carbon chrony cisco_os cloud_foundry cloudflare collectd couchdb datadog \
    docker_stats elasticsearch envoy_als expvar faro file_log file_stats flink_metrics fluent_forward github \
    gitlab google_cloud_spanner googlecloudmonitoring googlecloudpubsub haproxy host_metrics http_check iis \
    influxdb jaeger jmx journald k8s_cluster k8s_events k8s_objects kafka kafka_metrics kubelet_stats \
    libhoney loki macos_unified_logging memcached mongodb mongodb_atlas mysql named_pipe netflow nginx nop \
    nsxt ntp opencensus oracledb otelarrow otlp otlp_json_file podman_stats postgresql pprof prometheus \
    prometheus_remote_write prometheus_simple pulsar purefa purefb rabbitmq receiver_creator redis riak \
    saphana signalfx skywalking snmp snowflake solace splunk_enterprise splunk_hec sqlquery sqlserver \
    ssh_check statsd stef syslog systemd tcp_check tcp_log tls_check udp_log vcenter wavefront webhook_event \
    windows_event_log windows_service windowsperfcounters yang_grpc zipkin zookeeper";

const PROCESSORS: &str = "\
    attributes batch cardinality_guardian coralogix cumulativetodelta deltatocumulative deltatorate drain \
    filter gen_ai_normalizer geoip groupbyattrs groupbytrace interval isolationforest k8s_attributes \
    log_dedup logstransform memory_limiter metric_start_time metrics_transform metricsgeneration \
    probabilistic_sampler redaction remotetap resource resource_detection schema span spanpruning sumologic \
    tail_sampling transform unroll";

const EXPORTERS: &str = "\
    alertmanager alibabacloud_logservice awscloudwatchlogs awsemf awskinesis awss3 awsxray azure_blob \
    azuredataexplorer azuremonitor bmc_helix carbon cassandra clickhouse coralogix datadog dataset debug \
    doris elasticsearch faro file google_cloud_storage googlecloud googlecloudpubsub googlemanagedprometheus \
    honeycomb_marker influxdb kafka load_balancing logicmonitor logzio loki mezmo nop opencensus \
    opensearch otelarrow otlp otlp_grpc otlp_http prometheus prometheus_remote_write pulsar rabbitmq sapm \
    sentry signalfx splunk_hec stef sumologic syslog tencentcloud_logservice tinybird zipkin";

const CONNECTORS: &str = "\
    count datadog exceptions failover forward grafanacloud otlp_json round_robin routing service_graph \
    signal_to_metrics span_metrics sum";

const EXTENSIONS: &str = "\
    ack asapclient aws_logs_encoding awscloudwatchmetricstreams_encoding awsproxy azure_auth azure_encoding \
    basicauth bearertokenauth cgroup_runtime datadog db_storage docker_observer ecs_observer \
    ecs_task_observer file_storage google_cloud_logentry_encoding googleclientauth headers_setter \
    health_check healthcheckv2 host_observer http_forwarder jaeger_encoding jaegerremotesampling \
    json_log_encoding k8s_leader_elector k8s_observer kafkatopics_observer memory_ballast memory_limiter \
    oauth2client oidc opamp otlp_encoding pebble_tail_storage pprof redis_storage sigv4auth \
    skywalking_encoding solarwindsapmsettings sumologic text_encoding zipkin_encoding zpages";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_types_under_both_names() {
        for (kind, known) in [
            (Kind::Receiver, "file_log"),
            (Kind::Receiver, "filelog"),
            (Kind::Receiver, "hostmetrics"),
            (Kind::Processor, "k8sattributes"),
            (Kind::Exporter, "loadbalancing"),
            (Kind::Connector, "spanmetrics"),
            (Kind::Extension, "zpages"),
        ] {
            assert!(is_known(kind, known), "{known}");
        }
        assert!(!is_known(Kind::Receiver, "batch"));
        assert!(!is_known(Kind::Processor, "bacth"));
    }
}
