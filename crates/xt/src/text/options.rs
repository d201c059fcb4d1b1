//! Owns the options of one match or target while they are being read.
//!
//! A reader takes the options it knows and then asks for [`Options::done`]: what it does not know
//! makes it give up, and the words are kept as they were.

use crate::value::Test;

/// One option: `! --name args…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opt {
    pub(crate) not: bool,
    /// Without dashes.
    pub(crate) name: String,
    pub(crate) args: Vec<String>,
}

/// What an option says. Nothing inside: it is absent. Nothing at all: it is there and cannot be read.
pub(crate) type Maybe<T> = Option<Option<T>>;

/// The options of one match or target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options(pub(crate) Vec<Opt>);

impl Options {
    fn take(&mut self, names: &[&str]) -> Option<Opt> {
        let at = self.0.iter().position(|opt| names.contains(&opt.name.as_str()))?;
        Some(self.0.remove(at))
    }

    /// An option with one argument. The outer nothing means that it is there and cannot be read.
    pub(crate) fn test<T>(
        &mut self,
        names: &[&str],
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Maybe<Test<T>> {
        let Some(opt) = self.take(names) else { return Some(None) };
        match opt.args.as_slice() {
            [arg] => Some(Some(Test::new(opt.not, read(arg)?))),
            _ => None,
        }
    }

    /// An option with one argument that cannot be negated.
    pub(crate) fn value<T>(
        &mut self,
        names: &[&str],
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Maybe<T> {
        match self.test(names, read)? {
            None => Some(None),
            Some(Test::Is(value)) => Some(Some(value)),
            Some(Test::Not(_)) => None,
        }
    }

    /// An option with two arguments.
    pub(crate) fn pair(&mut self, name: &str) -> Maybe<Test<(String, String)>> {
        let Some(opt) = self.take(&[name]) else { return Some(None) };
        let [first, second] = <[String; 2]>::try_from(opt.args).ok()?;
        Some(Some(Test::new(opt.not, (first, second))))
    }

    /// An option without argument.
    pub(crate) fn flag(&mut self, name: &str) -> Maybe<Test<()>> {
        let Some(opt) = self.take(&[name]) else { return Some(None) };
        opt.args.is_empty().then(|| Some(Test::new(opt.not, ())))
    }

    /// Whether an option is there that has no argument and cannot be negated.
    pub(crate) fn switch(&mut self, name: &str) -> Option<bool> {
        match self.flag(name)? {
            None => Some(false),
            Some(Test::Is(())) => Some(true),
            Some(Test::Not(())) => None,
        }
    }

    /// Nothing may be left.
    pub(crate) fn done(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Reads with `FromStr`.
pub(crate) fn read<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
