//! A JSON object under construction, members in order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use otlp::view::{AnyValue, View};

use crate::from_span::value;
use crate::json::{self, scan};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Node<'m> {
    /// Somebody else's JSON, checked.
    Json(Cow<'m, [u8]>),
    /// The bytes of an `AnyValue`.
    Attribute(&'m [u8]),
    /// An object.
    Object(Object<'m>),
}

/// Members by name, since there may be any number of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Object<'m>(BTreeMap<Cow<'m, [u8]>, Node<'m>>);

impl<'m> Object<'m> {
    /// Puts a member in, or another value in its place.
    pub(super) fn put(&mut self, name: impl Into<Cow<'m, [u8]>>, node: Node<'m>) {
        self.0.insert(name.into(), node);
    }

    pub(super) fn attribute(&mut self, name: &'m str, raw: &'m [u8]) {
        self.put(name.as_bytes(), Node::Attribute(raw));
    }

    pub(super) fn json(&mut self, name: &'m str, json: impl Into<Cow<'m, [u8]>>) {
        self.put(name.as_bytes(), Node::Json(json.into()));
    }

    /// Puts JSON in; into an object that is there already, those of its members that are not.
    pub(super) fn put_json(&mut self, name: &'m [u8], json: &'m [u8]) {
        match self.0.get_mut(name) {
            Some(Node::Object(object)) => object.merge(json),
            _ => self.put(name, Node::Json(Cow::Borrowed(json))),
        }
    }

    /// JSON in a string attribute; not put in if it is none.
    pub(super) fn json_text(&mut self, name: &'m str, raw: &'m [u8]) {
        if let AnyValue::String(text) = AnyValue::new(raw)
            && let Some((_, json)) = scan::document(text.as_bytes())
        {
            self.json(name, json);
        }
    }

    pub(super) fn text(&mut self, name: &'m str, text: &[u8]) {
        let mut json = Vec::with_capacity(text.len() + 2);
        json::string(&mut json, text);
        self.json(name, json);
    }

    /// The object that is a member, made if it is not there.
    pub(super) fn object(&mut self, name: &'m str) -> &mut Self {
        let node = self.0.entry(Cow::Borrowed(name.as_bytes())).or_insert(Node::Object(Object::default()));
        if !matches!(node, Node::Object(_)) {
            *node = Node::Object(Object::default());
        }
        match node {
            Node::Object(object) => object,
            Node::Json(_) | Node::Attribute(_) => unreachable!("it has just been made one"),
        }
    }

    /// Takes over the members that are not there yet, in every depth.
    pub(super) fn merge(&mut self, json: &'m [u8]) {
        for (key, value) in scan::members_of(json) {
            match self.0.entry(scan::unescape(key)) {
                Entry::Vacant(place) => drop(place.insert(Node::Json(Cow::Borrowed(value)))),
                Entry::Occupied(mut place) => {
                    if let Node::Object(object) = place.get_mut() {
                        object.merge(value);
                    }
                }
            }
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name.as_bytes())
    }

    /// Makes an object of a member that is JSON's text of one, so that more can be put in.
    pub(super) fn expand(&mut self, name: &str) {
        let Some(node) = self.0.get_mut(name.as_bytes()) else { return };
        if let Node::Json(Cow::Borrowed(json)) = *node {
            let mut object = Object::default();
            object.merge(json);
            *node = Node::Object(object);
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.write_in_order(&[], out);
    }

    /// Appends the object, with these members first, as far as they are there.
    pub(super) fn write_in_order(&self, order: &[&str], out: &mut Vec<u8>) {
        let first = order.iter().filter_map(|name| self.0.get_key_value(name.as_bytes()));
        let is_first = |name: &[u8]| order.iter().any(|first| first.as_bytes() == name);
        let members = first.chain(self.0.iter().filter(|(name, _)| !is_first(name)));
        out.push(b'{');
        for (index, (name, node)) in members.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::string(out, name);
            out.push(b':');
            match node {
                Node::Json(json) => scan::compact(out, json),
                Node::Attribute(raw) => value::write_raw(out, raw),
                Node::Object(object) => object.write(out),
            }
        }
        out.push(b'}');
    }
}
