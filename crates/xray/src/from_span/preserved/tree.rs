//! A JSON object under construction, members in order.

use std::borrow::Cow;

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

/// Members, in the order in which they were put in.
#[derive(Clone, Debug, Default)]
pub(super) struct Object<'m>(Vec<(Cow<'m, [u8]>, Node<'m>)>);

impl<'m> Object<'m> {
    /// Puts a member in, or another value in its place.
    pub(super) fn put(&mut self, name: impl Into<Cow<'m, [u8]>>, node: Node<'m>) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, place)) => *place = node,
            None => self.0.push((name, node)),
        }
    }

    pub(super) fn attribute(&mut self, name: &'m str, raw: &'m [u8]) {
        self.put(name.as_bytes(), Node::Attribute(raw));
    }

    pub(super) fn json(&mut self, name: &'m str, json: impl Into<Cow<'m, [u8]>>) {
        self.put(name.as_bytes(), Node::Json(json.into()));
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
        let is_it = |known: &[u8]| known == name.as_bytes();
        if !self.0.iter().any(|(known, node)| is_it(known) && matches!(node, Node::Object(_))) {
            self.put(name.as_bytes(), Node::Object(Object::default()));
        }
        let mut members = self.0.iter_mut().filter(|(known, _)| is_it(known));
        members
            .find_map(|(_, node)| if let Node::Object(object) = node { Some(object) } else { None })
            .expect("it was found or has just been made")
    }

    /// Takes over the members that are not there yet, in every depth.
    pub(super) fn merge(&mut self, json: &'m [u8]) {
        for (key, value) in scan::members_of(json) {
            let key = scan::unescape(key);
            match self.0.iter_mut().find(|(known, _)| *known == key) {
                Some((_, Node::Object(object))) => object.merge(value),
                Some(_) => {}
                None => self.0.push((key, Node::Json(Cow::Borrowed(value)))),
            }
        }
    }

    /// Puts the members in this order, those that are not in it last.
    pub(super) fn sort(&mut self, order: &[&str]) {
        let place =
            |name: &[u8]| order.iter().position(|known| known.as_bytes() == name).unwrap_or(order.len());
        self.0.sort_by_key(|(name, _)| place(name));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.as_ref() == name.as_bytes())
    }

    /// Makes an object of a member that is JSON's text of one, so that more can be put in.
    pub(super) fn expand(&mut self, name: &str) {
        let member = self.0.iter_mut().find(|(known, _)| known.as_ref() == name.as_bytes());
        let Some((_, node)) = member else { return };
        if let Node::Json(Cow::Borrowed(json)) = *node {
            let mut object = Object::default();
            object.merge(json);
            *node = Node::Object(object);
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (name, node)) in self.0.iter().enumerate() {
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
