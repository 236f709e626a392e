//! Bodies to send, and places to keep them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

/// So many bytes in which a piece that is lost, doubled or moved is seen: the period is a prime, so that no frame,
/// window or buffer size is a multiple of it.
#[must_use]
pub fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// Asserts that two bodies are the same. Says where they part, instead of printing both.
///
/// # Panics
/// When they differ.
pub fn assert_same(what: &str, got: &[u8], wanted: &[u8]) {
    let apart = got
        .iter()
        .zip(wanted)
        .position(|(got, wanted)| got != wanted);
    assert_eq!(apart, None, "{what}: a byte differs at this place");
    assert_eq!(got.len(), wanted.len(), "{what}: the length");
}

/// A directory that is removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// Makes one where the system keeps such things.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("raddle-tests-{}-{count}", process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left behind by a process that had this number before.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it and answers its path.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, content)?;
        Ok(path)
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // In the worst case the system removes it later.
        let _ = fs::remove_dir_all(&self.0);
    }
}
