//! Answers that the load balancer gives itself, each a real status with one line of text.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};

use crate::body::AnyBody;

/// Why a request was not, or could not be, answered by a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The request breaks a rule that the proxy depends on; the text names it.
    BadRequest(&'static str),
    /// CONNECT: this is not a forward proxy.
    NoTunnel,
    /// The client stopped sending its body.
    ClientSilent,
    /// Our own name stands in Via too often.
    Circle,
    /// A backend was tried and could not be reached.
    Unreachable,
    /// A backend was reached but its answer never began.
    Broken,
    /// Every backend is marked down; the first is tried again after this time.
    NoneHealthy(Duration),
    /// Every connection to the backends is full.
    Busy,
    /// The backend did not begin to answer in time.
    Timeout,
}

impl Refusal {
    /// The status that the client sees.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoTunnel => StatusCode::METHOD_NOT_ALLOWED,
            Self::ClientSilent => StatusCode::REQUEST_TIMEOUT,
            Self::Circle => StatusCode::LOOP_DETECTED,
            Self::Unreachable | Self::Broken => StatusCode::BAD_GATEWAY,
            Self::NoneHealthy(_) | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// One line for a person. It names no address: the client has no business with the backends'.
    pub fn text(self) -> &'static str {
        match self {
            Self::BadRequest(text) => text,
            Self::NoTunnel => "CONNECT is not served here",
            Self::ClientSilent => "the request body stopped arriving",
            Self::Circle => "the request went in a circle",
            Self::Unreachable => "no backend could be reached",
            Self::Broken => "the backend ended the request before it answered",
            Self::NoneHealthy(_) => "no backend is healthy",
            Self::Busy => "every backend is busy, and no stream came free in time",
            Self::Timeout => "the backend did not answer in time",
        }
    }

    /// The response as it is sent.
    pub fn response(self) -> Response<AnyBody> {
        let text = format!("raddle: {}\n", self.text());
        let mut response = Response::new(AnyBody::from(text));
        *response.status_mut() = self.status();
        let fields = response.headers_mut();
        fields.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        match self {
            // Whole seconds, rounded up: coming back earlier meets the same answer.
            Self::NoneHealthy(wait) => {
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                // A decimal number is always a valid field value.
                let value =
                    HeaderValue::from_str(&seconds.to_string()).expect("digits are a field value");
                fields.insert(header::RETRY_AFTER, value);
            }
            Self::Busy => {
                fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::NoTunnel => {
                let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
                fields.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            _ => {}
        }
        response
    }
}
