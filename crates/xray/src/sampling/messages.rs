//! The API's messages about sampling, as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::central::{Central, INTERVAL, MAX_STATISTICS, Now, Quota, Summary};
use super::rule::Rule;

/// An operation of the API that rules in a file are enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GetSamplingRules`
    Rules,
    /// `GetSamplingTargets`
    Targets,
    /// `GetSamplingStatisticSummaries`
    Summaries,
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// Its name. The HTTP status is 400.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Operation {
    /// The operation behind a path; all are `POST`.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/GetSamplingRules" => Some(Self::Rules),
            "/SamplingTargets" => Some(Self::Targets),
            "/SamplingStatisticSummaries" => Some(Self::Summaries),
            _ => None,
        }
    }
}

/// A request's body in bytes, at most: 25 statistics documents need a tenth of it.
pub const MAX_REQUEST: usize = 64 << 10;

/// Characters of a rule's name or a client's id in a request, at most. A file's names have 32.
const MAX_NAME: usize = 64;

/// A request that was read and can be answered.
#[derive(Clone, Debug)]
pub struct Call(Asked);

#[derive(Clone, Debug)]
enum Asked {
    Rules,
    Targets(Vec<Result<Report, Unusable>>),
    Summaries,
}

/// One of `SamplingStatisticsDocuments`.
#[derive(Clone, Debug)]
struct Report {
    rule: String,
    client: String,
    requests: u64,
    sampled: u64,
    borrowed: u64,
}

/// One that says nothing that can be counted.
#[derive(Clone, Debug)]
struct Unusable {
    rule: Option<String>,
    message: String,
}

impl Call {
    /// Reads a request's body, which is JSON. That of `GetSamplingRules` is not looked at: there is one page.
    ///
    /// # Errors
    /// If it has more than [`MAX_REQUEST`] bytes, or is not understood. What is wrong with one rule's statistics is told
    /// in the answer.
    pub fn read(operation: Operation, body: &[u8]) -> Result<Self, ApiError> {
        if body.len() > MAX_REQUEST {
            return Err(invalid(&format!("a request of {} bytes; {MAX_REQUEST} are the most", body.len())));
        }
        if operation == Operation::Rules {
            return Ok(Self(Asked::Rules));
        }
        // Some clients send nothing where others send an empty map.
        let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
        let request: Value = serde_json::from_slice(body)
            .map_err(|error| ApiError { code: "SerializationException", message: error.to_string() })?;
        if !request.is_object() {
            return Err(invalid("the request is no map"));
        }
        if operation == Operation::Summaries {
            return Ok(Self(Asked::Summaries));
        }
        let documents = list(&request, "SamplingStatisticsDocuments")?;
        list(&request, "SamplingBoostStatisticsDocuments")?;
        Ok(Self(Asked::Targets(documents.iter().map(report).collect())))
    }
}

impl Central {
    /// Answers with JSON.
    pub fn answer(&mut self, call: &Call, now: Now) -> Vec<u8> {
        let answer = match &call.0 {
            Asked::Rules => self.rules_answer(now.wall),
            Asked::Targets(reports) => self.targets_answer(reports, now),
            Asked::Summaries => self.summaries_answer(now.wall),
        };
        answer.to_string().into_bytes()
    }

    /// When the rules changed last, as clients are told it: never a time that is still to come, with which they would
    /// fetch the rules again and again.
    fn modified(&self, now: Duration) -> f64 {
        seconds(self.changed().min(now))
    }

    fn rules_answer(&self, now: Duration) -> Value {
        let changed = self.modified(now);
        // The API lists rules by name, the default rule at the end.
        let mut rules: Vec<&Rule> = self.rules().collect();
        rules.sort_by_key(|rule| (rule.is_default(), &rule.name));
        let records = rules.into_iter().map(|rule| {
            let created = if rule.is_default() { 0.0 } else { changed };
            json!({"SamplingRule": rule_json(rule), "CreatedAt": created, "ModifiedAt": changed})
        });
        json!({"NextToken": null, "SamplingRuleRecords": records.collect::<Vec<_>>()})
    }

    fn targets_answer(&mut self, reports: &[Result<Report, Unusable>], now: Now) -> Value {
        let (mut targets, mut unprocessed) = (Vec::new(), Vec::new());
        let refusal = |rule: Option<&str>, message: &str| json!({"RuleName": rule, "ErrorCode": "400", "Message": message});
        for report in reports {
            let report = match report {
                Ok(report) => report,
                Err(Unusable { rule, message }) => {
                    unprocessed.push(refusal(rule.as_deref(), message));
                    continue;
                }
            };
            let counts = [report.requests, report.sampled, report.borrowed];
            match self.report(&report.rule, &report.client, counts, now) {
                Some((rate, quota)) => targets.push(target_json(&report.rule, rate, quota)),
                None => unprocessed.push(refusal(Some(&report.rule), "Unknown rule")),
            }
        }
        json!({
            "SamplingTargetDocuments": targets,
            "LastRuleModification": self.modified(now.wall),
            "UnprocessedStatistics": unprocessed,
            "UnprocessedBoostStatistics": null,
        })
    }

    fn summaries_answer(&mut self, now: Duration) -> Value {
        let row = |(rule, summary): (&str, Summary)| {
            json!({
                "RuleName": rule,
                "Timestamp": summary.start,
                "RequestCount": summary.requests,
                "SampledCount": summary.sampled,
                "BorrowCount": summary.borrowed,
            })
        };
        let rows: Vec<Value> = self.summaries(now).into_iter().map(row).collect();
        json!({"NextToken": null, "SamplingStatisticSummaries": rows})
    }
}

/// What a rule looks like to clients.
fn rule_json(rule: &Rule) -> Value {
    json!({
        "RuleName": rule.name,
        // Nobody has an account here; clients go by names.
        "RuleARN": format!("arn:aws:xray:local:000000000000:sampling-rule/{}", rule.name),
        "ResourceARN": rule.resource_arn,
        "Priority": rule.priority,
        "FixedRate": rule.fixed_rate,
        "ReservoirSize": rule.reservoir_size,
        "ServiceName": rule.service_name,
        "ServiceType": rule.service_type,
        "Host": rule.host,
        "HTTPMethod": rule.http_method,
        "URLPath": rule.url_path,
        "Version": rule.version,
        "Attributes": rule.attributes,
    })
}

fn target_json(rule: &str, rate: f64, quota: Option<Quota>) -> Value {
    json!({
        "RuleName": rule,
        "FixedRate": rate,
        "ReservoirQuota": quota.map(|quota| quota.size),
        "ReservoirQuotaTTL": quota.map(|quota| seconds(quota.ends)),
        "Interval": quota.map(|_| INTERVAL.as_secs()),
        "SamplingBoost": null,
    })
}

fn list<'a>(request: &'a Value, name: &str) -> Result<&'a [Value], ApiError> {
    let list = match request.get(name) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => return Err(invalid(&format!("{name} is no list"))),
    };
    match list.len() {
        count if count > MAX_STATISTICS => {
            Err(invalid(&format!("{count} entries in {name}; {MAX_STATISTICS} are the most")))
        }
        _ => Ok(list),
    }
}

fn report(document: &Value) -> Result<Report, Unusable> {
    let text = |name: &str| {
        let text = document.get(name).and_then(Value::as_str);
        text.filter(|text| (1..=MAX_NAME).contains(&text.chars().count())).map(str::to_owned)
    };
    let rule = text("RuleName");
    let unusable = |what: String| Unusable { rule: rule.clone(), message: what };
    let missing = |name: &str| unusable(format!("{name} is missing or too long"));
    // Counts are integers, which some clients write with a fraction of nothing.
    let count = |name: &str| {
        let value = document.get(name).filter(|value| !value.is_null());
        let number = value.map_or(Some(0), |value| value.as_u64().or_else(|| whole(value.as_f64()?)));
        number.ok_or_else(|| unusable(format!("{name} is no count")))
    };
    Ok(Report {
        rule: rule.clone().ok_or_else(|| missing("RuleName"))?,
        client: text("ClientID").ok_or_else(|| missing("ClientID"))?,
        requests: count("RequestCount")?,
        sampled: count("SampledCount")?,
        borrowed: count("BorrowCount")?,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole(number: f64) -> Option<u64> {
    ((0.0..9.0e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// Seconds since the epoch, to the millisecond, as the API writes them.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1e3
}

fn invalid(message: &str) -> ApiError {
    ApiError { code: "InvalidRequestException", message: message.to_owned() }
}
