//! HPACK, header compression for HTTP/2 (RFC 7541).
#![no_std]
#![forbid(unsafe_code)]
