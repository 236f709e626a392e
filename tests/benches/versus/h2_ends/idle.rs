//! What `h2` holds for streams that wait, against a script that leaves them waiting.

use std::{cell::Cell, cell::RefCell, future::poll_fn, rc::Rc, task::Poll};

use raddle_tests::counting::Allocated;
use tokio::task::spawn_local;

use super::{connect, executor, job::Job, listen, pipe::Pipe};
use crate::{
    drive::{Asks, End},
    memory::Held,
    script::{ScriptClient, ScriptServer},
    workload::{Texts, Workload},
};

/// Polls a script until the end of its task, and adds what it holds to `script_held`: that is not the engine's.
async fn play(script: Rc<RefCell<impl End>>, pipe: Pipe, script_held: Rc<Cell<i64>>) {
    poll_fn(|cx| {
        let before = Allocated::now();
        pipe.drive(&mut *script.borrow_mut(), cx);
        script_held.set(script_held.get() + Allocated::now().since(before).held);
        Poll::<()>::Pending
    })
    .await;
}

/// Lets every other task run until there is nothing more to do.
async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

/// Of a client whose requests are not answered.
pub(crate) fn client_held(workload: &'static Workload) -> Held {
    let (runtime, tasks) = executor();
    let job = Rc::new(Job::new(workload));
    let (near, far) = Pipe::both();
    let texts = Rc::new(Texts::new(workload));
    let script = Rc::new(RefCell::new(ScriptServer::new(workload, texts)));
    let script_held = Rc::new(Cell::new(0));
    tasks.block_on(&runtime, async {
        spawn_local(play(Rc::clone(&script), far, Rc::clone(&script_held)));
        let mut waiting = Vec::with_capacity(workload.streams);
        let before = Allocated::now();
        let held = || Allocated::now().since(before).held - script_held.get();
        let mut client = connect(near, workload).await;
        settle().await;
        let mut open = async |count| {
            for _ in 0..count {
                poll_fn(|cx| client.poll_ready(cx)).await.expect("room");
                waiting.push(client.send_request(job.request(), true).expect("a request"));
            }
            settle().await;
        };
        open(1).await;
        let connection = held();
        open(workload.streams - 1).await;
        Held::new(connection, held(), workload.streams)
    })
}

/// Of a server that does not answer, and has put the fields of the requests away.
pub(crate) fn server_held(workload: &'static Workload) -> Held {
    let (runtime, tasks) = executor();
    let (near, far) = Pipe::both();
    let texts = Rc::new(Texts::new(workload));
    let script = Rc::new(RefCell::new(ScriptClient::new(workload, texts)));
    let script_held = Rc::new(Cell::new(0));
    script.borrow_mut().prepare(workload.streams);
    script.borrow_mut().ask(1);
    let waker = Rc::clone(&near.input);
    tasks.block_on(&runtime, async {
        spawn_local(play(Rc::clone(&script), near, Rc::clone(&script_held)));
        let mut waiting = Vec::with_capacity(workload.streams);
        let before = Allocated::now();
        let held = || Allocated::now().since(before).held - script_held.get();
        let mut server = listen(far, workload).await;
        let mut connection = 0;
        while waiting.len() < workload.streams {
            let (request, respond) = server
                .accept()
                .await
                .expect("the connection goes on")
                .expect("a request");
            waiting.push((request.into_body(), respond));
            if waiting.len() == 1 {
                connection = held();
                script.borrow_mut().ask(workload.streams - 1);
                if let Some(reader) = waker.borrow_mut().reader.take() {
                    reader.wake();
                }
            }
        }
        Held::new(connection, held(), workload.streams)
    })
}
