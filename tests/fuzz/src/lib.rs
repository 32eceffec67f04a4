//! What must hold of any bytes whatever, one module for each fuzz target. `tests/corpus.rs` asks the same of the committed
//! corpus in every `cargo test`.

pub mod document;
pub mod events;
pub mod properties;
pub mod response_url;

// The parsers of the functions are taken as they are; what of them only their handlers use is unused here.
#[path = "../../../functions/flip/src/fields.rs"]
mod fields;
#[expect(dead_code, reason = "the event is read here and carried out by provision only")]
#[path = "../../../functions/provision/src/event.rs"]
mod provision_event;
#[path = "../../../functions/react/src/event.rs"]
mod react_event;
#[expect(dead_code, reason = "the request is read here and carried out by flip only")]
#[path = "../../../functions/flip/src/request.rs"]
mod request;
