//! One request as the server answers it.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, Request};

use super::job::{Job, map};
use crate::workload::Answer;

/// The server's side of one request.
pub(super) struct Call {
    job: Rc<Job>,
    headers: HeaderMap,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    /// After the head of the response.
    send: Option<SendStream<Bytes>>,
}

impl Call {
    pub(super) fn new(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        job: &Rc<Job>,
    ) -> Self {
        job.see_request(&request);
        let (parts, body) = request.into_parts();
        Self {
            job: Rc::clone(job),
            headers: parts.headers,
            body,
            respond,
            send: None,
        }
    }

    fn respond(&mut self) -> SendStream<Bytes> {
        let response = self.job.response(&self.headers);
        self.respond
            .send_response(response, false)
            .expect("the stream takes a head")
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(data) = ready!(self.body.poll_data(cx)) else {
            return Poll::Ready(None);
        };
        let data = data.expect("a body");
        self.job.take(&mut self.body, &data);
        Poll::Ready(Some(data))
    }

    fn poll_echo(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut send = match self.send.take() {
            Some(send) => send,
            None => self.respond(),
        };
        loop {
            match self.poll_data(cx) {
                Poll::Pending => {
                    self.send = Some(send);
                    return Poll::Pending;
                }
                Poll::Ready(data) => {
                    let end = data.is_none() || self.body.is_end_stream();
                    send.send_data(data.unwrap_or_default(), end)
                        .expect("the stream takes data");
                    if end {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }

    fn poll_unary(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_data(cx)).is_some() {}
        let mut send = self.respond();
        send.send_data(self.job.download.clone(), false)
            .expect("the stream takes data");
        send.send_trailers(map(&self.job.trailers, 0))
            .expect("the stream takes trailers");
        Poll::Ready(())
    }
}

impl Future for Call {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.job.workload.answer {
            Answer::Body(_) => {
                let body = self.job.download.clone();
                self.respond()
                    .send_data(body, true)
                    .expect("the stream takes data");
                Poll::Ready(())
            }
            Answer::Echo => self.poll_echo(cx),
            Answer::Unary(_) => self.poll_unary(cx),
            Answer::Never => Poll::Pending,
        }
    }
}
