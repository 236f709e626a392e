//! A browser without a window, by the WebDriver protocol over a socket of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

/// After this a browser that does not answer counts as gone.
const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: (u32, u32) = (1_600, 1_000);

/// A session of a browser, which ends with this.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// What it and its driver leave lying about.
    scratch: PathBuf,
}

impl Browser {
    /// A new browser; `None` where there is none, which is told in one line.
    pub(crate) fn start() -> Option<Self> {
        let scratch = scratch();
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", &scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else {
            let _ = fs::remove_dir_all(&scratch);
            // Past the capture of the test harness: what was not tested has to be seen.
            let _ = writeln!(
                std::io::stdout().lock(),
                "skipped: there is no chromedriver (Debian: chromium-driver)"
            );
            return None;
        };
        let port = port(&mut driver);
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            scratch,
        };
        let (width, height) = SIZE;
        let size = format!("--window-size={width},{height}");
        // Tests run in containers, and as root, where the browser's own fences cannot be put up; and it has nobody to ask
        // for updates and the like.
        let arguments = [
            "--headless=new",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            &size,
        ];
        let made = browser.ask(
            "POST",
            "",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"args": arguments},
                "goog:loggingPrefs": {"browser": "ALL"},
            }}}),
        );
        let session = made["sessionId"].as_str().expect("a session");
        browser.session = format!("/{session}");
        Some(browser)
    }

    pub(crate) fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url}));
    }

    /// What `script` returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        let body = json!({"script": script, "args": []});
        self.ask("POST", "/execute/sync", &body)
    }

    /// The text of the first element that `selector` finds, as people see it.
    pub(crate) fn text(&self, selector: &str) -> String {
        let element = self.element(selector);
        let text = self.ask("GET", &format!("/element/{element}/text"), &Value::Null);
        text.as_str().expect("a text").to_owned()
    }

    /// Types into an element, in place of what it holds.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.run(&format!("document.querySelector('{selector}').select()"));
        let text = if text.is_empty() { "\u{e017}" } else { text };
        let path = format!("/element/{element}/value");
        self.ask("POST", &path, &json!({"text": text}));
    }

    /// Clicks on an element.
    pub(crate) fn press(&self, selector: &str) {
        let element = self.element(selector);
        let path = format!("/element/{element}/click");
        self.ask("POST", &path, &json!({}));
    }

    /// Clicks at a point of the page, in pixels.
    pub(crate) fn click(&self, x: f64, y: f64) {
        let (x, y) = (x.round() as i64, y.round() as i64);
        let actions = json!([
            {"type": "pointerMove", "duration": 0, "x": x, "y": y},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]);
        self.act(json!({"type": "pointer", "id": "mouse", "actions": actions}));
    }

    /// Drags from one point of the page to another.
    pub(crate) fn drag(&self, from: (i64, i64), to: (i64, i64)) {
        let actions = json!([
            {"type": "pointerMove", "duration": 0, "x": from.0, "y": from.1},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 0, "x": (from.0 + to.0) / 2, "y": to.1},
            {"type": "pointerMove", "duration": 0, "x": to.0, "y": to.1},
            {"type": "pointerUp", "button": 0},
        ]);
        self.act(json!({"type": "pointer", "id": "mouse", "actions": actions}));
    }

    /// Turns the wheel at a point of the page; up is negative.
    pub(crate) fn wheel(&self, x: i64, y: i64, by: i64) {
        let turn =
            json!({"type": "scroll", "x": x, "y": y, "deltaX": 0, "deltaY": by, "duration": 0});
        self.act(json!({"type": "wheel", "id": "wheel", "actions": [turn]}));
    }

    /// Presses a key.
    pub(crate) fn key(&self, key: &str) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        self.act(json!({"type": "key", "id": "keys", "actions": actions}));
    }

    /// What the page has put on its console since this was asked last.
    pub(crate) fn console(&self) -> Vec<Value> {
        let log = self.ask("POST", "/se/log", &json!({"type": "browser"}));
        log.as_array().expect("a log").clone()
    }

    /// A picture of the page, as PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let picture = self.ask("GET", "/screenshot", &Value::Null);
        base64(picture.as_str().expect("a picture"))
    }

    fn act(&self, source: Value) {
        self.ask("POST", "/actions", &json!({"actions": [source]}));
    }

    fn element(&self, selector: &str) -> String {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.ask("POST", "/element", &body);
        let members = found.as_object().expect("an element");
        let id = members.values().next().and_then(Value::as_str);
        id.expect("an element's name").to_owned()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session{}{path}", self.session);
        self.request(method, &path, body)
            .unwrap_or_else(|what| panic!("{method} {path}: {what}"))
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let text = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(text)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .map_err(text)?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            reader.read_line(&mut line).map_err(text)?;
            let lower = line.trim().to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| "a bad length")?;
            }
            if lower.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).map_err(text)?;
        let answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        match &answer["value"]["error"] {
            Value::Null => Ok(answer["value"].clone()),
            error => Err(format!("{error}: {}", answer["value"]["message"])),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its session ends the browser; then nothing is left below the driver.
        if !self.session.is_empty() {
            let path = format!("/session{}", self.session);
            let _ = self.request("DELETE", &path, &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// A new folder for temporary files. Its path is short: the browser makes a socket in it, whose name has about a hundred
/// bytes at most.
fn scratch() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("raddle-page-{}-{number}", process::id()));
    fs::create_dir_all(&path).expect("a folder for temporary files");
    path
}

/// The port that the system gave the driver, which says so once it listens.
fn port(driver: &mut Child) -> u16 {
    let out = driver.stdout.take().expect("its output is ours");
    let port = BufReader::new(out).lines().find_map(|line| {
        let line = line.ok()?;
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    });
    port.unwrap_or_else(|| {
        let _ = driver.kill();
        let _ = driver.wait();
        panic!("the driver did not name its port")
    })
}

/// Base64 (RFC 4648 §4), as the driver sends it.
fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.bytes() {
        let Some(value) = LETTERS.iter().position(|known| *known == letter) else {
            continue;
        };
        bits = bits << 6 | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
