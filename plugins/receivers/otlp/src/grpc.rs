//! OTLP over gRPC.

use std::sync::Arc;

use bytes::Bytes;
use data::{Refusal, Refused, Signal};
use http::HeaderMap;
use net::Peer;
use net::grpc::server::{Request, Service};
use net::status::status_with_retry;
use tonic::{Code, Status};

use crate::answer;
use crate::intake::{Encoding, Intake};

/// Answers the `Export` calls of the signals that some pipeline takes.
pub(crate) struct Grpc {
    pub(crate) intake: Arc<Intake>,
}

impl Service for Grpc {
    async fn call(&self, request: Request) -> Result<Bytes, Status> {
        let Some(begun) = self.intake.requests.begin(request.wire_len) else {
            return self.answer(request).await;
        };
        let path = self.route(request.path()).is_ok().then(|| request.path().to_owned());
        let answer = self.answer(request).await;
        let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
        self.intake.requests.called(&begun, path.as_deref(), code);
        answer
    }

    fn admit(&self, path: &str, _headers: &HeaderMap, _peer: Peer) -> Result<(), Status> {
        let signal = self.route(path)?;
        self.intake.admit(signal).map_err(|refused| status(&refused))
    }
}

impl Grpc {
    async fn answer(&self, request: Request) -> Result<Bytes, Status> {
        let signal = self.route(request.path())?;
        let context = self.intake.context(&request.head.headers, request.peer);
        let taken =
            self.intake.take(signal, Encoding::Protobuf, request.message, request.reservation, context);
        match taken.await {
            Ok(receipt) => Ok(answer::protobuf(&receipt)),
            Err(refused) => Err(status(&refused)),
        }
    }

    fn route(&self, path: &str) -> Result<Signal, Status> {
        // The words are grpc-go's.
        let malformed = || Status::unimplemented(format!("malformed method name: {path:?}"));
        let (service, method) =
            path.strip_prefix('/').unwrap_or(path).rsplit_once('/').ok_or_else(malformed)?;
        let signal = match service {
            "opentelemetry.proto.collector.trace.v1.TraceService" => Signal::Traces,
            "opentelemetry.proto.collector.metrics.v1.MetricsService" => Signal::Metrics,
            "opentelemetry.proto.collector.logs.v1.LogsService" => Signal::Logs,
            _ => return Err(Status::unimplemented(format!("unknown service {service}"))),
        };
        if !self.intake.carries(signal) {
            return Err(Status::unimplemented(format!("unknown service {service}")));
        }
        if method != "Export" {
            return Err(Status::unimplemented(format!("unknown method {method} for service {service}")));
        }
        Ok(signal)
    }
}

/// A refusal as a gRPC status.
pub(crate) fn status(refused: &Refused) -> Status {
    let code = Code::from_i32(i32::from(refused.code.number()));
    match refused.refusal {
        Refusal::Retry { after: Some(after) } => status_with_retry(code, &*refused.message, after),
        _ => Status::new(code, &*refused.message),
    }
}
