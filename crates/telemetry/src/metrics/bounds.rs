//! Histogram boundaries of the reference's own metrics.

/// Items in a batch or in a request of the sending queue: `…_batch_send_size`.
pub const SEND_SIZE: &[f64] = &[
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 1e4,
    2e4, 3e4, 5e4, 1e5,
];

/// Bytes in a batch or in a request of the sending queue: `…_batch_send_size_bytes`.
pub const SEND_SIZE_BYTES: &[f64] = &[
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 1e4,
    2e4, 3e4, 5e4, 1e5, 2e5, 3e5, 4e5, 5e5, 6e5, 7e5, 8e5, 9e5, 1e6, 2e6, 3e6, 4e6, 5e6, 6e6, 7e6, 8e6, 9e6,
];

/// Bytes of what is put into a sending queue, powers of two from 128 B to 16 MiB: `…_enqueue_size_bytes`.
pub const ENQUEUE_SIZE_BYTES: &[f64] = &[
    128.0,
    256.0,
    512.0,
    1_024.0,
    2_048.0,
    4_096.0,
    8_192.0,
    16_384.0,
    32_768.0,
    65_536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
    2_097_152.0,
    4_194_304.0,
    8_388_608.0,
    16_777_216.0,
];

/// Bytes of a body, the default of OpenTelemetry's SDKs: `http_…_body_size`.
pub const SIZE_BYTES: &[f64] =
    &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2.5e3, 5e3, 7.5e3, 1e4];

/// Seconds, the default of OpenTelemetry's HTTP and RPC duration conventions: `…_duration` with unit `s`.
pub const DURATION_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
