//! A path with a delay between a client that uploads and a server that reads.

use crate::*;

/// One step of the path's clock.
pub(crate) const STEP: Duration = Duration::from_millis(10);

/// An upload over a path on which bytes take some steps each way.
pub(crate) struct Path {
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) upload: StreamHandle,
    /// Whether the server's application reads.
    pub(crate) reads: bool,
    /// How much it reads in each step, when it does not.
    pub(crate) pace: usize,
    /// Bytes of bodies that have arrived.
    pub(crate) arrived: usize,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
}

impl Path {
    /// A path of so many steps each way, over which an upload has begun.
    pub(crate) fn new(steps: usize, server: Config) -> Self {
        let mut pair = Pair::new(Config::default(), server);
        pair.settle();
        let upload = pair.client.connection.open(post("/"), Then::More).unwrap();
        pair.settle();
        let Pair { client, server, .. } = pair;
        Self {
            client,
            server,
            upload,
            reads: true,
            pace: 0,
            arrived: 0,
            up: VecDeque::from(vec![Vec::new(); steps]),
            down: VecDeque::from(vec![Vec::new(); steps]),
        }
    }

    /// One step, in which the client's line takes up to `bytes` of the body.
    pub(crate) fn step(&mut self, mut bytes: usize) {
        self.client.input(&self.down.pop_front().unwrap());
        let mut up = Vec::new();
        loop {
            let connection = &mut self.client.connection;
            let room = connection.writable(self.upload).min(bytes);
            let mut body = Bytes::from(vec![0; room]);
            connection
                .send_data(self.upload, &mut body, Then::More)
                .unwrap();
            bytes -= room;
            let out = self.client.output();
            if out.is_empty() {
                break;
            }
            up.extend(out);
        }
        self.up.push_back(up);
        // In pieces, as a socket gives them, and the application reads in between.
        for piece in self.up.pop_front().unwrap().chunks(16_384) {
            self.server.input(piece);
            self.read();
        }
        let holder = self.server.connection.holders().next();
        if let Some((stream, unread)) = holder {
            let bytes = self.pace.min(unread as usize);
            self.server.connection.release(stream, bytes);
        }
        self.down.push_back(self.server.output());
        self.client.now = self.client.now.after(STEP);
        self.server.now = self.server.now.after(STEP);
    }

    fn read(&mut self) {
        for event in self.server.take_events() {
            if let Event::Data { stream, data, .. } = event {
                self.arrived += data.len();
                if self.reads {
                    self.server.connection.release(stream, data.len());
                }
            }
        }
    }

    /// What the server's application has been given and has not read.
    pub(crate) fn unread(&self) -> u64 {
        let holders = self.server.connection.holders();
        holders.map(|(_, bytes)| bytes).sum()
    }
}
