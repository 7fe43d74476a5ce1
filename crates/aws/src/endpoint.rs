//! Where a service is: by partition, region, and variant.

use http::Uri;

/// A partition of AWS: regions that share accounts, and the suffixes of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name, as in ARNs.
    pub name: &'static str,
    /// Suffix of hosts, such as `amazonaws.com`.
    pub dns_suffix: &'static str,
    /// Suffix of hosts that also have IPv6 addresses.
    pub dual_stack_suffix: &'static str,
    prefix: &'static str,
}

/// From the table of partitions that AWS's SDKs carry. Any other region is one of the first.
const PARTITIONS: &[Partition] = &[
    Partition { name: "aws", dns_suffix: "amazonaws.com", dual_stack_suffix: "api.aws", prefix: "" },
    Partition {
        name: "aws-cn",
        dns_suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
        prefix: "cn-",
    },
    Partition {
        name: "aws-us-gov",
        dns_suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
        prefix: "us-gov-",
    },
    Partition {
        name: "aws-iso",
        dns_suffix: "c2s.ic.gov",
        dual_stack_suffix: "api.aws.ic.gov",
        prefix: "us-iso-",
    },
    Partition {
        name: "aws-iso-b",
        dns_suffix: "sc2s.sgov.gov",
        dual_stack_suffix: "api.aws.scloud",
        prefix: "us-isob-",
    },
    Partition {
        name: "aws-iso-e",
        dns_suffix: "cloud.adc-e.uk",
        dual_stack_suffix: "api.cloud-aws.adc-e.uk",
        prefix: "eu-isoe-",
    },
    Partition {
        name: "aws-iso-f",
        dns_suffix: "csp.hci.ic.gov",
        dual_stack_suffix: "api.aws.hci.ic.gov",
        prefix: "us-isof-",
    },
    Partition {
        name: "aws-eusc",
        dns_suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
        prefix: "eusc-",
    },
];

/// The partition of a region.
#[must_use]
pub fn partition(region: &str) -> Partition {
    let of_prefix =
        |partition: &&Partition| !partition.prefix.is_empty() && region.starts_with(partition.prefix);
    PARTITIONS.iter().find(of_prefix).or(PARTITIONS.first()).copied().unwrap_or(Partition {
        name: "aws",
        dns_suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
        prefix: "",
    })
}

/// Which of a service's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// The one with validated cryptography.
    pub fips: bool,
    /// The one with IPv6.
    pub dual_stack: bool,
}

/// The host of a service in a region.
#[must_use]
pub fn host(service: &str, region: &str, variant: Variant) -> String {
    let partition = partition(region);
    let suffix = if variant.dual_stack { partition.dual_stack_suffix } else { partition.dns_suffix };
    let fips = if variant.fips { "-fips" } else { "" };
    format!("{service}{fips}.{region}.{suffix}")
}

/// An endpoint that requests can be sent to: scheme and host, and a path below which everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host and port: `https://xray.eu-west-1.amazonaws.com`.
    origin: String,
    /// Without a slash at its end; usually empty.
    base: String,
}

/// What is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no endpoint: {why}")]
pub struct EndpointError {
    text: String,
    why: &'static str,
}

impl Endpoint {
    /// Reads a URL of scheme and host, perhaps with a path. Query and fragment mean nothing here and are refused.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let bad = |why| EndpointError { text: text.to_owned(), why };
        let url: Uri = text.parse().map_err(|_| bad("not a URL"))?;
        let scheme = url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"));
        let scheme = scheme.ok_or_else(|| bad("it must begin with http:// or https://"))?;
        let authority = url.authority().ok_or_else(|| bad("it has no host"))?;
        if authority.host().is_empty() {
            return Err(bad("it has no host"));
        }
        if authority.as_str().contains('@') {
            return Err(bad("it names a user"));
        }
        if url.query().is_some() {
            return Err(bad("it has a query"));
        }
        // Servers are named without the port that goes without saying, and signatures cover the name.
        let usual = if scheme == "https" { 443 } else { 80 };
        let place = match authority.port_u16() {
            Some(port) if port != usual => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        };
        Ok(Self { origin: format!("{scheme}://{place}"), base: url.path().trim_end_matches('/').to_owned() })
    }

    /// The endpoint of a service.
    #[must_use]
    pub fn of(service: &str, region: &str, variant: Variant) -> Self {
        Self { origin: format!("https://{}", host(service, region, variant)), base: String::new() }
    }

    /// The same without the path.
    #[must_use]
    pub fn without_path(self) -> Self {
        Self { base: String::new(), ..self }
    }

    /// The URL of a path, which begins with a slash and may have a query.
    ///
    /// # Errors
    /// If no URL can have that path.
    pub fn url(&self, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        format!("{}{}{path}", self.origin, self.base).parse()
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.origin, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_of_the_partitions() {
        let (plain, dual) = (Variant::default(), Variant { dual_stack: true, ..Variant::default() });
        let fips = Variant { fips: true, ..Variant::default() };
        let both = Variant { fips: true, dual_stack: true };
        let cases = [
            ("eu-west-1", plain, "xray.eu-west-1.amazonaws.com"),
            ("eu-west-1", dual, "xray.eu-west-1.api.aws"),
            ("us-east-1", fips, "xray-fips.us-east-1.amazonaws.com"),
            ("us-east-1", both, "xray-fips.us-east-1.api.aws"),
            ("cn-north-1", plain, "xray.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", dual, "xray.cn-north-1.api.amazonwebservices.com.cn"),
            ("us-gov-west-1", fips, "xray-fips.us-gov-west-1.amazonaws.com"),
            ("us-iso-east-1", plain, "xray.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", plain, "xray.us-isob-east-1.sc2s.sgov.gov"),
            ("eu-isoe-west-1", plain, "xray.eu-isoe-west-1.cloud.adc-e.uk"),
            ("us-isof-south-1", plain, "xray.us-isof-south-1.csp.hci.ic.gov"),
            ("eusc-de-east-1", plain, "xray.eusc-de-east-1.amazonaws.eu"),
            ("a-region-to-come-9", plain, "xray.a-region-to-come-9.amazonaws.com"),
        ];
        for (region, variant, expected) in cases {
            assert_eq!(host("xray", region, variant), expected);
        }
        assert_eq!(partition("us-isob-east-1").name, "aws-iso-b");
    }

    #[test]
    fn endpoints_are_read() {
        let read = |text: &str| Endpoint::parse(text).map(|endpoint| endpoint.to_string());
        assert_eq!(read("http://localhost:2000/").unwrap(), "http://localhost:2000");
        assert_eq!(read("https://host:443/a/b/").unwrap(), "https://host/a/b");
        assert_eq!(read("http://[::1]:80").unwrap(), "http://[::1]");
        let url = Endpoint::parse("https://host/a/").unwrap().url("/TraceSegments?x=1").unwrap();
        assert_eq!(url.to_string(), "https://host/a/TraceSegments?x=1");
        assert_eq!(Endpoint::parse("https://host/a").unwrap().without_path().to_string(), "https://host");
        for bad in ["", "host", "ftp://host", "http://", "https://u:p@host", "https://host?x=1", "http://a b"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
