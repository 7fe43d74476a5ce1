//! A field with its type erased.

use std::any::TypeId;
use std::time::Duration;

use serde_json::Value as Json;

use crate::reader::Reader;
use crate::setting::{Row, Setting};
use crate::tree::Node;

/// A field with its type erased.
pub(super) trait Access<S> {
    fn read(&self, section: &mut S, node: &Node, reader: &mut Reader<'_>);
    fn render(&self, section: &mut S) -> Json;
    fn expose(&self, section: &mut S) -> Json;
    fn schema(&self, section: &mut S) -> Json;
    fn reference(&self, section: &mut S, prefix: &str, rows: &mut Vec<Row>);
    fn type_name(&self) -> String;
    fn is_block(&self) -> bool;
    fn is_duration(&self) -> bool;
}

pub(super) struct Place<S, T> {
    pub(super) place: fn(&mut S) -> &mut T,
}

impl<S, T: Setting> Access<S> for Place<S, T> {
    fn read(&self, section: &mut S, node: &Node, reader: &mut Reader<'_>) {
        (self.place)(section).read(node, reader);
    }

    fn render(&self, section: &mut S) -> Json {
        (self.place)(section).render()
    }

    fn expose(&self, section: &mut S) -> Json {
        (self.place)(section).expose()
    }

    fn schema(&self, section: &mut S) -> Json {
        (self.place)(section).schema()
    }

    fn reference(&self, section: &mut S, prefix: &str, rows: &mut Vec<Row>) {
        (self.place)(section).reference(prefix, rows);
    }

    fn type_name(&self) -> String {
        T::type_name()
    }

    fn is_block(&self) -> bool {
        T::BLOCK
    }

    fn is_duration(&self) -> bool {
        TypeId::of::<T>() == TypeId::of::<Duration>()
    }
}

/// A field of a flattened section.
pub(super) struct Through<O, S> {
    pub(super) place: fn(&mut O) -> &mut S,
    pub(super) inner: Box<dyn Access<S>>,
}

impl<O, S> Access<O> for Through<O, S> {
    fn read(&self, outer: &mut O, node: &Node, reader: &mut Reader<'_>) {
        self.inner.read((self.place)(outer), node, reader);
    }

    fn render(&self, outer: &mut O) -> Json {
        self.inner.render((self.place)(outer))
    }

    fn expose(&self, outer: &mut O) -> Json {
        self.inner.expose((self.place)(outer))
    }

    fn schema(&self, outer: &mut O) -> Json {
        self.inner.schema((self.place)(outer))
    }

    fn reference(&self, outer: &mut O, prefix: &str, rows: &mut Vec<Row>) {
        self.inner.reference((self.place)(outer), prefix, rows);
    }

    fn type_name(&self) -> String {
        self.inner.type_name()
    }

    fn is_block(&self) -> bool {
        self.inner.is_block()
    }

    fn is_duration(&self) -> bool {
        self.inner.is_duration()
    }
}
