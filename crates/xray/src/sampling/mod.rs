//! The rules by which X-Ray's SDKs sample.
