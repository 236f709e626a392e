//! Interim (1xx) responses where a request goes through a service, which answers once: for proxies, which have to pass
//! them on as they come (RFC 9110 §15.2).

use std::{fmt, sync::Arc};

use http::Response;
use raddle_core::StreamHandle;

use crate::{
    convert,
    error::{Error, Kind},
    response::ResponseFuture,
    shared::Shared,
};

/// Sends interim responses to one request, before its final one. Among a request's extensions where
/// [`Serve::informs`](crate::Serve::informs) was asked for it.
#[derive(Clone, Debug)]
pub struct Informer {
    shared: Arc<Shared>,
    handle: StreamHandle,
}

impl Informer {
    pub(crate) fn new(shared: Arc<Shared>, handle: StreamHandle) -> Self {
        Self { shared, handle }
    }

    /// Sends an interim response.
    ///
    /// # Errors
    /// When the stream has ended or has its final response, the status is not interim, or the head has no form in
    /// HTTP/2.
    pub fn inform(&self, response: Response<()>) -> Result<(), Error> {
        let head = convert::response_head(&response.into_parts().0)?;
        self.shared
            .command(|state| state.connection.inform(self.handle, head))
            .map_err(|error| Error::new(Kind::Send(error)))
    }
}

/// What a [`Pool`](crate::Pool) is to do with each interim response to a request, as soon as it arrives. Who puts it among
/// the request's extensions does not find those responses with the final one.
#[derive(Clone)]
pub struct OnInformational(Arc<dyn Fn(Response<()>) + Send + Sync>);

impl OnInformational {
    /// Calls `tell` with each of them, from the task that waits for the response. No lock is held meanwhile.
    ///
    /// # Panics
    /// A panic of `tell` is the request's: it unwinds through whoever awaits that.
    pub fn new(tell: impl Fn(Response<()>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Waits for the final response, and tells those before it.
    pub(crate) async fn watch(&self, response: &mut ResponseFuture) {
        while let Some(interim) = response.informational().await {
            // One that has no form in the `http` crate's types is nothing that could be passed on.
            if let Ok(interim) = interim {
                (self.0)(interim);
            }
        }
    }
}

impl fmt::Debug for OnInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnInformational").finish_non_exhaustive()
    }
}
