use std::collections::BTreeMap;

/// What this process says it is: the attributes of `target_info` and of the `resource` object in each log line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    attributes: BTreeMap<String, String>,
}

impl Resource {
    /// The default resource: `service.name`, `service.version` and `service.instance.id`, of which the last
    /// should be fresh in each start.
    #[must_use]
    pub fn new(service_name: &str, service_version: &str, service_instance_id: &str) -> Self {
        let mut resource = Self::default();
        resource.set("service.name", Some(service_name));
        resource.set("service.version", Some(service_version));
        resource.set("service.instance.id", Some(service_instance_id));
        resource
    }

    /// Sets an attribute, or removes it with `None`, as `service.telemetry.resource` does.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.attributes.insert(name.to_owned(), value.to_owned()),
            None => self.attributes.remove(name),
        };
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// The attributes, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
