//! A request of a pool: sent, and sent again where its verdict, its body and the budget allow it.

use std::{any::Any, time::Duration};

use bytes::{Buf, Bytes};
use http::{Request, Response, request::Parts};
use http_body::Body;
use http_body_util::Full;
use raddle_core::Retry;
use tower_service::Service;

use super::{Inner, Pool, PoolTarget, PoolWait};
use crate::{
    body::RecvBody,
    client::Client,
    convert::Protocol,
    dial::{Target, overdue},
    error::{BoxError, Error, Kind},
    interim::OnInformational,
    planted::{self, Planted},
};

impl Pool {
    /// A connection to `target` that keeps a place for one stream, for a request that is made for the first time or not.
    /// It is waited for no longer than `wait_max`.
    pub(crate) async fn acquire(
        &self,
        target: &Target,
        is_new: bool,
        wait_max: Duration,
    ) -> Result<Client, Error> {
        self.inner.acquire(target, is_new, wait_max).await
    }

    pub(super) async fn send<B>(self, request: Request<B>) -> Result<Response<RecvBody>, Error>
    where
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let target = match request.extensions().get::<PoolTarget>() {
            Some(PoolTarget(target)) => target.clone(),
            None => Target::of(request.uri())?,
        };
        let own = request.extensions().get::<PoolWait>();
        let most = self.inner.config.wait_max;
        let wait_max = own.map_or(most, |PoolWait(own)| most.min(*own));
        let (mut is_new, mut resends) = (true, 0);
        let (parts, body) = request.into_parts();
        let copy = copy_of(&body);
        let (whole, mut body) = (body.is_end_stream(), Some(body));
        loop {
            let is_new = std::mem::take(&mut is_new);
            let client = self.acquire(&target, is_new, wait_max).await?;
            let wait = (&target, wait_max);
            let result = self.attempt(client, wait, &parts, &mut body).await;
            let error = match result {
                Err(error) if may_be_sent_again(&error) => error,
                result => return result,
            };
            // A body can be read once, unless there is a copy of it.
            if !(whole || body.is_some() || copy.is_some())
                || resends >= self.inner.config.resends_max
            {
                return Err(error);
            }
            self.inner.pay_for_resend(&target, error)?;
            body = body.or_else(|| copy.as_ref().and_then(copied));
            resends += 1;
        }
    }

    /// Makes a request once, with the body that is left; what was not taken of it stays there.
    async fn attempt<B>(
        &self,
        mut client: Client,
        (target, wait_max): (&Target, Duration),
        parts: &Parts,
        body: &mut Option<B>,
    ) -> Result<Response<RecvBody>, Error>
    where
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        if parts.extensions.get::<Protocol>().is_some() {
            settled(&client, target, wait_max).await?;
        }
        let mut response = match body.take() {
            Some(first) => match client.open(Request::from_parts(parts.clone(), first)) {
                Ok(response) => response,
                // The connection ended since it was chosen; the body has not been touched.
                Err(refused) => {
                    let (error, request) = *refused;
                    *body = Some(request.into_body())
                        .filter(|_| !planted::has(Planted::RefusedBodyLost));
                    return Err(error);
                }
            },
            None => client.call(Request::from_parts(parts.clone(), RecvBody::empty())),
        };
        if let Some(on) = parts.extensions.get::<OnInformational>() {
            on.watch(&mut response).await;
        }
        response.await
    }
}

fn may_be_sent_again(error: &Error) -> bool {
    let planted = planted::has(Planted::UnknownFateResent) && error.retry() == Retry::IfIdempotent;
    // Who has waited for so long does not wait as long again.
    let waited = error.kind() == Kind::ConnectTimeout;
    (error.retry() == Retry::Safe && !waited) || planted
}

/// Waits for the SETTINGS of the peer, which say whether it takes an extended CONNECT (RFC 8441 §3).
async fn settled(client: &Client, target: &Target, wait_max: Duration) -> Result<(), Error> {
    match tokio::time::timeout(wait_max, client.settled()).await {
        Ok(settled) => settled,
        Err(_) => Err(overdue(target, wait_max)),
    }
}

impl Inner {
    /// Takes a resend out of the budget of a request's origin, for a request that failed with `error`.
    ///
    /// # Errors
    /// [`Kind::ResendBudgetSpent`].
    fn pay_for_resend(&self, target: &Target, error: Error) -> Result<(), Error> {
        // What has not left costs the server nothing.
        let left = !matches!(error.kind(), Kind::Closed | Kind::Open(_));
        let budget = &self.config.resend_budget;
        let mut state = self.lock();
        // An origin that is not known any more begins anew.
        if left
            && let Some(origin) = state.origins.get_mut(target)
            && !origin.resends.spend(budget)
            && !planted::has(Planted::BudgetUnbounded)
        {
            state.stats.resends_denied += 1;
            drop(state);
            return Err(Error::with_source(Kind::ResendBudgetSpent, error));
        }
        state.stats.resent += 1;
        Ok(())
    }
}

/// A copy of a body that is there already, which shares its bytes.
fn copy_of<B: Body + 'static>(body: &B) -> Option<Full<Bytes>> {
    let body = (body as &dyn Any).downcast_ref::<Full<Bytes>>();
    body.filter(|body| !body.is_end_stream()).cloned()
}

/// The copy of such a body, by the name of its type.
fn copied<B: 'static>(copy: &Full<Bytes>) -> Option<B> {
    let copy: Box<dyn Any> = Box::new(copy.clone());
    copy.downcast().ok().map(|body| *body)
}
