//! The races of the load balancer, by number: its proxy between clients and backends that tests play, over pipes, in
//! virtual time. What lies around it, accepting and TLS, is in `load-balancer/tests`.

mod ends;
mod secrets;
mod streams;
mod world;
