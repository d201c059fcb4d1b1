//! Owns the text of iptables-save: printing it from the view, reading it into the view.

mod lines;
pub(crate) mod options;
pub(crate) mod print;
mod rule;
pub(crate) mod words;

pub use self::{
    lines::{Limits, Line, ParseError, parse, parse_str, read_line},
    print::{Shown, save, save_rule, save_table},
    rule::parse_rule,
};
